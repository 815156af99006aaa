"""Child processes of ``manage.py serve``: started together, stopped together."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_INTERVAL = 0.1  # seconds
PR_SET_PDEATHSIG = 1


class StopRequested(BaseException):
    """A signal asks to stop. Not an Exception, so that nobody on the way mistakes it for a failure."""


class StopSignals:
    """Makes SIGINT, SIGTERM and SIGHUP raise StopRequested, wherever the main thread is."""

    def __init__(self) -> None:
        self._postponed = False
        self._arrived = False

    def catch(self) -> None:
        for number in STOP_SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._arrive)

    def ignore(self) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def postponed(self) -> Iterator[None]:
        """Raise only at the end of the block, which must not be left half done."""
        self._postponed, self._arrived = True, False
        try:
            yield
        finally:
            self._postponed = False
        if self._arrived:
            raise StopRequested

    def _arrive(self, number: int, frame: FrameType | None) -> None:
        self._arrived = True
        if not self._postponed:
            raise StopRequested


@dataclass(frozen=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]

    @property
    def outcome(self) -> str:
        code = self.process.returncode
        return f"exited with code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"


class Supervisor:
    """Starts children, notices when one ends, and ends the rest."""

    def __init__(self, signals: StopSignals) -> None:
        self._signals = signals
        self._children: list[Child] = []

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        with self._signals.postponed():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # a Ctrl-C is for us alone
                preexec_fn=_dying_with(os.getpid()),  # noqa: PLW1509  (calls one C function)
            )
            self._children.append(Child(name, process))

    def ended(self) -> Child | None:
        return next((child for child in self._children if child.process.poll() is not None), None)

    def wait(self) -> Child:
        """Wait for the first child that ends."""
        while not (child := self.ended()):
            time.sleep(POLL_INTERVAL)
        return child

    def stop(self, patience: float) -> None:
        """Ask all children to end; kill the rest when patience runs out or a second signal arrives."""
        try:
            for child in self._children:
                if child.process.poll() is None:
                    child.process.terminate()
            deadline = time.monotonic() + patience
            while self._running() and time.monotonic() < deadline:
                time.sleep(POLL_INTERVAL)
        except StopRequested:
            pass
        finally:
            self._signals.ignore()
            self._kill()

    def _running(self) -> list[Child]:
        return [child for child in self._children if child.process.poll() is None]

    def _kill(self) -> None:
        for child in self._children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)  # with what the child itself has started
            child.process.wait()


def _dying_with(parent: int) -> Callable[[], None] | None:
    """On Linux: what makes a child end with its parent, even when the parent is killed."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here, for after the fork is no time for it

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return arrange
