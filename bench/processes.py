"""Starting servers, waiting until they answer, and stopping them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

START_SECONDS = 90.0
STOP_SECONDS = 20.0
LINES = 15


class DoesNotStart(Exception):
    """The message ends with what the process wrote last."""


@dataclass(frozen=True)
class Process:
    """A command, and the file that gets all that it writes."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    cwd: Path


@dataclass(frozen=True)
class Started:
    popen: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        if self.popen.poll() is not None:
            raise DoesNotStart(f"It ended with status {self.popen.returncode}.\n{_last_lines(self.log)}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(processes: Mapping[str, Process], ready_url: str) -> Iterator[dict[str, int]]:
    """Their process ids by name, once the URL answers with 200. They are stopped at the end.

    Raises DoesNotStart.
    """
    with ExitStack() as stack:
        running = {name: stack.enter_context(_one(process)) for name, process in processes.items()}
        _wait_until_ready(ready_url, list(running.values()))
        yield {name: process.popen.pid for name, process in running.items()}


@contextmanager
def _one(process: Process) -> Iterator[Started]:
    process.log.parent.mkdir(parents=True, exist_ok=True)
    with process.log.open("wb") as log:
        popen = subprocess.Popen(
            process.command,
            cwd=process.cwd,
            env=os.environ | process.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is for us, who then stop it
        )
    try:
        yield Started(popen, process.log)
    finally:
        popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            popen.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGKILL)  # with what it has started
        popen.wait()


def run(process: Process) -> None:
    """To its end. Raises DoesNotStart if that is not a good one."""
    with _one(process) as running:
        if running.popen.wait():
            running.check()


def _wait_until_ready(url: str, processes: list[Started]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        for process in processes:
            process.check()
        with suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        if time.monotonic() > deadline:
            last = "\n".join(_last_lines(process.log) for process in processes)
            raise DoesNotStart(f"{url} was not answered with 200 for {START_SECONDS:.0f} s.\n{last}")
        time.sleep(0.1)


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LINES:])
