from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from skeino_site.processes import StopRequested, StopSignals, Supervisor

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
HAS_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPS!r}]); {IGNORES_SIGTERM}"


@pytest.fixture
def signals() -> Iterator[StopSignals]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signals = StopSignals()
    signals.catch()
    yield signals
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def supervisor(signals: StopSignals) -> Iterator[Supervisor]:
    supervisor = Supervisor(signals)
    yield supervisor
    supervisor.stop(patience=0)


def start(supervisor: Supervisor, *programs: str) -> None:
    for number, program in enumerate(programs):
        supervisor.start(f"child {number}", [sys.executable, "-c", program], os.environ)


def running() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def wait_for(condition: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_first_child_that_ends_is_named_with_how_it_ended(supervisor: Supervisor):
    start(supervisor, SLEEPS, "raise SystemExit(3)")
    child = supervisor.wait()
    assert (child.name, child.outcome) == ("child 1", "exited with code 3")


def test_a_killed_child_is_said_to_be_killed(supervisor: Supervisor):
    start(supervisor, SLEEPS)
    running()[0].kill()
    assert supervisor.wait().outcome == "was killed by SIGKILL"
