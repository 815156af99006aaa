"""How long a worker may believe that its runs are its own, without asking the database."""

from __future__ import annotations

import time

from langgraph.runtime import RunControl


class Lease:
    """Renewed with every heartbeat. Others take a worker's runs back no earlier than it is over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew(self.now())

    @staticmethod
    def now() -> float:
        """A clock that goes on while the machine sleeps, where there is one."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    def renew(self, asked_at: float) -> None:
        """A heartbeat has been recorded that was sent at that time."""
        self._end = asked_at + self._seconds

    @property
    def is_over(self) -> bool:
        return self.now() > self._end


class LeasedControl(RunControl):
    """Drains the run as soon as the lease is over. LangGraph looks before every step."""

    __slots__ = ("_lease",)

    def __init__(self, lease: Lease) -> None:
        super().__init__()
        self._lease = lease

    @property
    def drain_requested(self) -> bool:
        return super().drain_requested or self._lease.is_over
