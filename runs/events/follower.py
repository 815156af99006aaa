"""Who follows a run's log as it grows: what they want, what they have been told, and how far they are."""

from __future__ import annotations

import asyncio
import uuid
from typing import NamedTuple

NEVER = float("-inf")

# How many events one that is busy with earlier ones is told; what comes then is read from the log.
MAX_HEARD = 500


class Event(NamedTuple):
    """``data`` is JSON text."""

    seq: int
    event: str
    data: str


class Follower:
    """Is handed the events after number ``after``, in order: as they are told, or as they are read.

    ``only_end``: the events themselves are not wanted. ``new_since``: when the run had certainly written
    nothing, by this process's monotonic clock.
    ``has_news``: there is something to read, for it was not told, or not told without a gap.
    """

    def __init__(self, run_id: uuid.UUID, after: int, *, only_end: bool, new_since: float = NEVER) -> None:
        self.run_id, self.after, self.only_end, self.new_since = run_id, after, only_end, new_since
        self.has_news = new_since == NEVER  # the first read is unasked: what there is already
        self._heard: list[Event] = []  # without a gap, but perhaps with one before
        self._handed: asyncio.Future[list[Event] | None] | None = None

    @property
    def is_waiting(self) -> bool:
        return self._handed is not None and not self._handed.done()

    def wanted(self) -> asyncio.Future[list[Event] | None]:
        """The next events, one or more; None when there are no more. The same until it is taken."""
        if self._handed is None:
            self._handed = asyncio.get_running_loop().create_future()
            self._hand_heard()
        return self._handed

    def take(self) -> list[Event] | None:
        """What was ``wanted``, when it is there."""
        assert self._handed is not None
        events, self._handed = self._handed.result(), None
        return events

    def hand(self, events: list[Event] | None, *, after: int) -> None:
        """Give it what was read when it was at ``after``, unless it has been told meanwhile."""
        if self.is_waiting and after == self.after:
            self.after = events[-1].seq if events else after
            self._handed.set_result(events)  # type: ignore[union-attr]

    def end(self) -> None:
        self.hand(None, after=self.after)

    def hear(self, events: list[Event], *, has_ended: bool) -> None:
        """Take what is told; without ``events`` it is that there are some."""
        if self.only_end and not has_ended:
            return
        if self.only_end and self.is_waiting:
            self.end()
        elif self.only_end or not events:
            self.has_news = True
        else:
            self._note(events)

    def _note(self, events: list[Event]) -> None:
        if self._heard and (events[0].seq != self._heard[-1].seq + 1 or len(self._heard) > MAX_HEARD):
            self._heard = []  # the gap is found when more is wanted
        self._heard += events
        self._hand_heard()

    def _hand_heard(self) -> None:
        if not self.is_waiting:
            return
        heard, self._heard = [event for event in self._heard if event.seq > self.after], []
        if heard and heard[0].seq > self.after + 1:
            self._heard, self.has_news = heard, True
        elif heard:
            self.hand(heard, after=self.after)
