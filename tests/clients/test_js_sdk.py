"""Runs ``js/*.test.mjs`` under Node.js, against the same server as the Python clients."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "js"
FILES = sorted(file.name for file in FOLDER.glob("*.test.mjs"))
OLDEST_NODE = 20  # the first with a stable `node --test`
INSTALL = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, with the packages of package-lock.json installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("Node.js with npm is not installed")
    version = run([node, "--version"]).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js {version} is installed, but {OLDEST_NODE} or newer is needed")
    if not is_installed() and (installed := run([npm, *INSTALL])).returncode != 0:
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up(f"npm cannot install the packages: {installed.stdout}")
    return node


def is_installed() -> bool:
    """Whether npm has finished since package-lock.json was last changed."""
    done = FOLDER / "node_modules" / ".package-lock.json"
    return done.exists() and done.stat().st_mtime >= (FOLDER / "package-lock.json").stat().st_mtime


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


@pytest.mark.parametrize("file", FILES)
def test_the_javascript_sdk(node: str, server_url: str, tmp_path: Path, file: str) -> None:
    command = [node, "--test", "--test-reporter=spec", file]
    tests = run(command, SKEINO_URL=server_url, TMPDIR=str(tmp_path))
    if tests.returncode != 0:
        pytest.fail(tests.stdout, pytrace=False)
