"""Node.js, with the packages that the tests in ``js`` need."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "js"
OLDEST_NODE = 20  # the first with a stable `node --test`
INSTALL = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


def installed() -> str:
    """The path of Node.js, with the packages installed. Skips the test where there is none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("Node.js with npm is not installed")
    version = run([node, "--version"]).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js {version} is installed, but {OLDEST_NODE} or newer is needed")
    with (FOLDER / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not _has_packages() and (done := run([npm, *INSTALL])).returncode != 0:
            give_up = pytest.fail if os.environ.get("CI") else pytest.skip
            give_up(f"npm cannot install the packages: {done.stdout}")
    return node


def run(command: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder; its errors are part of its output."""
    return subprocess.run(
        command,
        cwd=FOLDER,
        env={**os.environ, "NO_COLOR": "1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def _has_packages() -> bool:
    """Whether npm has finished since package-lock.json was last changed."""
    done = FOLDER / "node_modules" / ".package-lock.json"
    return done.exists() and done.stat().st_mtime >= (FOLDER / "package-lock.json").stat().st_mtime
