"""Who reads a run's log as it grows: what they want, and how far they are."""

from __future__ import annotations

import asyncio
import uuid
from typing import NamedTuple


class Event(NamedTuple):
    """``data`` is JSON text."""

    seq: int
    event: str
    data: str


class Follower:
    """``only_end``: the events themselves are not wanted. ``is_new``: the run has written nothing yet."""

    def __init__(self, run_id: uuid.UUID, after: int, *, only_end: bool, is_new: bool) -> None:
        self.run_id, self.after, self.only_end = run_id, after, only_end
        self.has_news = not is_new  # the first read is unasked: what there is already
        self.delivered: asyncio.Future[list[Event] | None] | None = None
