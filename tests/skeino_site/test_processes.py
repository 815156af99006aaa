from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from skeino_site.processes import StopRequested, StopSignals, Supervisor

SLEEPS = "import time; time.sleep(60)"
IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
HAS_A_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPS!r}])"


@pytest.fixture
def signals() -> Iterator[StopSignals]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signals = StopSignals()
    signals.catch()
    yield signals
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def supervisor(signals: StopSignals, running: Callable[[], list[psutil.Process]]) -> Iterator[Supervisor]:
    supervisor = Supervisor(signals)
    yield supervisor
    supervisor.stop(patience=0)
    assert not running()


@pytest.fixture
def running() -> Callable[[], list[psutil.Process]]:
    """The processes that the test has started, in the order of their start."""
    before = set(psutil.Process().children(recursive=True))
    return lambda: [child for child in psutil.Process().children(recursive=True) if child not in before]


@pytest.fixture
def start(supervisor: Supervisor, tmp_path: Path) -> Callable[..., None]:
    """Starts a child that does what it is told, and waits until it has."""

    def start(name: str, *statements: str) -> None:
        mark = tmp_path / name
        program = "\n".join([*statements, f"open({str(mark)!r}, 'w')", SLEEPS])
        supervisor.start(name, [sys.executable, "-c", program], os.environ)
        wait_until(mark.exists)

    return start


def ended(process: psutil.Process) -> bool:
    """Also when nobody has noticed: in containers there may be no init process that does."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def later(seconds: float, number: signal.Signals) -> None:
    threading.Timer(seconds, os.kill, (os.getpid(), number)).start()


def test_the_first_child_that_ends_is_named_with_how_it_ended(supervisor: Supervisor, start):
    start("one")
    supervisor.start("two", [sys.executable, "-c", "raise SystemExit(3)"], os.environ)
    child = supervisor.wait()
    assert (child.name, child.outcome) == ("two", "exited with code 3")


def test_a_killed_child_is_said_to_be_killed(supervisor: Supervisor, start, running):
    start("one")
    running()[0].kill()
    assert supervisor.wait().outcome == "was killed by SIGKILL"


def test_children_end_at_once_when_asked(supervisor: Supervisor, start, running):
    start("one")
    start("two")
    began = time.monotonic()
    supervisor.stop(patience=30)
    assert not running()
    assert time.monotonic() - began < 5


def test_a_child_that_does_not_listen_is_killed_when_patience_ends(supervisor: Supervisor, start, running):
    start("stubborn", IGNORES_SIGTERM)
    supervisor.stop(patience=0.3)
    assert not running()


def test_a_second_signal_ends_patience(supervisor: Supervisor, start, running):
    start("stubborn", IGNORES_SIGTERM)
    later(0.2, signal.SIGINT)
    began = time.monotonic()
    supervisor.stop(patience=30)
    assert not running()
    assert time.monotonic() - began < 5


def test_what_a_killed_child_had_started_is_killed_too(supervisor: Supervisor, start, running):
    start("stubborn", HAS_A_CHILD, IGNORES_SIGTERM)
    family = running()
    assert len(family) == 2
    supervisor.stop(patience=0)
    wait_until(lambda: all(ended(process) for process in family))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_waiting(supervisor: Supervisor, start, number: signal.Signals):
    start("one")
    later(0.1, number)
    with pytest.raises(StopRequested):
        supervisor.wait()


def test_a_signal_waits_for_what_must_not_be_left_half_done(signals: StopSignals):
    steps = []
    with pytest.raises(StopRequested), signals.postponed():
        os.kill(os.getpid(), signal.SIGTERM)
        steps.append("done")
    assert steps == ["done"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
def test_children_do_not_outlive_a_killed_supervisor(tmp_path: Path):
    program = f"""
import os, sys
from skeino_site.processes import StopSignals, Supervisor
supervisor = Supervisor(StopSignals())
supervisor.start("one", [sys.executable, "-c", {SLEEPS!r}], os.environ)
print(supervisor._children[0].process.pid, flush=True)
supervisor.wait()
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    wait_until(lambda: ended(child))
