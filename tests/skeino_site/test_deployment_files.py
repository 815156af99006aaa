"""The files that describe the processes to others start what they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import yaml

from tests.live import ROOT, free_port

PATIENCE = 40.0  # seconds
PROCFILE: dict[str, str] = dict(re.findall(r"^(\w+): (.*)$", (ROOT / "Procfile").read_text(), re.M))


@contextmanager
def started(command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the Procfile, as those start it who read such files: by a shell."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with subprocess.Popen(
        ["sh", "-c", f"exec {command}"], cwd=ROOT, env={**os.environ, **environment, "PATH": programs}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_procfiles_processes_make_a_server(fresh_database: Callable[[], str]) -> None:
    port = free_port()
    environment = {"DATABASE_URL": fresh_database(), "HOST": "127.0.0.1", "PORT": str(port)}
    with started(PROCFILE["release"], **environment) as migrating:
        assert migrating.wait(PATIENCE) == 0
    with ExitStack() as stack:
        names = ["web", "worker"]
        processes = [stack.enter_context(started(PROCFILE[name], **environment)) for name in names]
        wait_until_ready(f"http://127.0.0.1:{port}/ready", processes)
        for process in processes:
            process.send_signal(signal.SIGTERM)
        ends = [process.wait(PATIENCE) for process in processes]
        assert ends == [-signal.SIGTERM, 0]  # uvicorn ends in order, and then by the signal


def wait_until_ready(url: str, processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert all(process.poll() is None for process in processes)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_image_starts_the_same_web_process() -> None:
    [command] = re.findall(r"^CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.M)
    procfile = PROCFILE["web"].replace("${HOST:-0.0.0.0}", "0.0.0.0").replace("${PORT:-8000}", "8000")
    assert json.loads(command) == shlex.split(procfile)


def test_the_image_is_given_all_that_it_copies() -> None:
    copied = re.findall(r"^COPY (.*) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    kept = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.M)
    assert sorted(" ".join(copied).split()) == sorted(kept)
    assert all((ROOT / name).exists() for name in kept)


def test_the_image_does_not_run_as_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)$", dockerfile, re.M) == ["skeino"]


def test_compose_starts_the_same_processes_on_postgres_and_nothing_else() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert services.keys() == {"postgres", "migrate", "web", "worker"}
    assert services["migrate"]["command"] == PROCFILE["release"]
    assert services["worker"]["command"] == PROCFILE["worker"]
    assert "command" not in services["web"]
