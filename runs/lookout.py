"""Which run of a thread begins next: asked by one query for all streams of a process that wait for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg

from runs.events import reader

logger = logging.getLogger(__name__)

# How often it looks.
IDLE_SECONDS = 0.5

# For each waiting stream: when its thread was last changed, null if it is gone; and the next run, if there is
# one. Runs are looked through only where something may have changed: beginning one leaves its thread busy.
NEXT_RUNS = """
SELECT t.updated_at, r.id, r.started_at
FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY
    AS w (thread_id, since, seen, position)
LEFT JOIN threads_thread t ON t.id = w.thread_id
LEFT JOIN LATERAL (
    SELECT id, started_at FROM runs_run
    WHERE (t.status = 'busy' OR t.updated_at IS DISTINCT FROM w.seen)
    AND thread_id = t.id AND started_at > w.since
    ORDER BY started_at LIMIT 1
) r ON true
ORDER BY w.position
"""


class Begun(NamedTuple):
    """A run, and when its latest attempt began."""

    run_id: UUID
    started_at: datetime


class ThreadGone(Exception):
    """The thread has been deleted: no run will begin on it."""


@dataclass(eq=False)
class _Waiting:
    thread_id: UUID
    since: datetime
    begun: asyncio.Future[Begun] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    seen: datetime | None = None  # when the thread was last changed, as far as it has been looked at


class Lookout:
    @classmethod
    def of_this_loop(cls) -> Lookout:
        loop = asyncio.get_running_loop()
        if loop not in _lookouts:
            _lookouts[loop] = cls()
        return _lookouts[loop]

    def __init__(self) -> None:
        self.waiting: set[_Waiting] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def next_run(self, thread_id: UUID, since: datetime) -> Iterator[asyncio.Future[Begun]]:
        """The first run of the thread that begins after ``since``, within the block.

        Its exception is ThreadGone, or StreamsClosed when this process stops.
        """
        waiting = _Waiting(thread_id, since)
        self.waiting.add(waiting)
        self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self._look(), name="lookout")
        try:
            yield waiting.begun
        finally:
            self.waiting.discard(waiting)
            if not waiting.begun.cancel():
                waiting.begun.exception()  # or asyncio complains that nobody has looked at it

    async def _look(self) -> None:
        """At what is new at once, and at all from time to time, as long as anybody waits."""
        loop = asyncio.get_running_loop()
        next_time = loop.time() + IDLE_SECONDS
        try:
            while self.waiting:
                try:
                    async with asyncio.timeout_at(next_time):
                        await self._wake.wait()
                    asking = [one for one in self.waiting if one.seen is None]
                except TimeoutError:
                    asking = list(self.waiting)
                    next_time = loop.time() + IDLE_SECONDS
                self._wake.clear()
                await self._ask([one for one in asking if not one.begun.done()])
        finally:
            self._task = None

    async def _ask(self, asking: list[_Waiting]) -> None:
        if reader.is_closing():
            for one in asking:
                one.begun.set_exception(reader.StreamsClosed())
            return
        try:
            columns = zip(*((one.thread_id, one.since, one.seen) for one in asking), strict=True)
            found = await reader.fetch(NEXT_RUNS, list(map(list, columns))) if asking else []
        except (psycopg.Error, OSError) as exc:
            logger.warning("Threads cannot be looked at, trying again: %s", exc)
            return
        for one, (changed_at, run_id, started_at) in zip(asking, found, strict=True):
            if one.begun.done():
                continue
            if changed_at is None:
                one.begun.set_exception(ThreadGone())
            elif run_id is not None:
                one.begun.set_result(Begun(run_id, started_at))
            one.seen = changed_at


def idle_streams() -> int:
    """How many streams of this process wait for a run, of all its event loops."""
    return sum(len(lookout.waiting) for lookout in list(_lookouts.values()))


_lookouts: WeakKeyDictionary[asyncio.AbstractEventLoop, Lookout] = WeakKeyDictionary()
