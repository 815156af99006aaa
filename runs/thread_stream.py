"""The events of all runs of a thread, one run after another, while somebody listens (wire contract 4.8)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

from runs.conf import conf
from runs.events import reader
from runs.exceptions import InvalidEventId
from runs.sse import HEARTBEAT, frame

# How often a stream whose thread is idle looks for the next run.
IDLE_SECONDS = 0.5

NEXT_RUN = """
SELECT id, started_at FROM runs_run
WHERE thread_id = %s AND started_at > %s ORDER BY started_at LIMIT 1
"""
STARTED_AT = "SELECT id, started_at FROM runs_run WHERE thread_id = %s AND id = %s"
LATEST_RUN = """
SELECT r.id, r.started_at, COALESCE((SELECT max(seq) FROM runs_runevent WHERE run_id = r.id), 0), r.status
FROM runs_run r WHERE thread_id = %s AND started_at IS NOT NULL ORDER BY started_at DESC LIMIT 1
"""
BEGINNING = ("-", "-1", "0", "0-0")


class Place(NamedTuple):
    """After which event of which run. Its text is an event's id."""

    run_id: UUID
    seq: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidEventId."""
        run_id, _, seq = text.rpartition("-")
        try:
            return cls(UUID(run_id), int(seq))
        except ValueError as exc:
            raise InvalidEventId from exc

    def __str__(self) -> str:
        return f"{self.run_id}-{self.seq}"


async def frames(thread_id: UUID, last_event_id: str | None, *, lifecycle_only: bool) -> AsyncIterator[bytes]:
    """From now on without an id, and else from after the event that had it."""
    run_id, started_at, seq = await _begin(thread_id, last_event_id)
    while True:
        if run_id is not None:
            async for part in _run_frames(run_id, seq, lifecycle_only):
                yield part
        run_id, seq = None, 0
        silent = 0.0
        while not (found := await reader.fetch(NEXT_RUN, [thread_id, started_at])):
            await asyncio.sleep(IDLE_SECONDS)
            if reader.is_closing():
                raise reader.StreamsClosed
            silent += IDLE_SECONDS
            if silent >= conf.SKEINO_STREAM_HEARTBEAT_SECONDS:
                yield HEARTBEAT
                silent = 0.0
        [(run_id, started_at)] = found


async def _begin(thread_id: UUID, last_event_id: str | None) -> tuple[UUID | None, datetime, int]:
    """The run to begin in, None for the next; when it began; and after which of its events."""
    long_ago = datetime.min
    if last_event_id in BEGINNING:
        return None, long_ago, 0
    if last_event_id is not None:
        place = Place.parse(last_event_id)
        found = await reader.fetch(STARTED_AT, [thread_id, place.run_id])
        return (place.run_id, found[0][1], place.seq) if found else (None, long_ago, 0)
    latest = await reader.fetch(LATEST_RUN, [thread_id])
    if not latest:
        return None, long_ago, 0
    [(run_id, started_at, seq, status)] = latest
    return (run_id if status in ("pending", "running") else None), started_at, seq


async def _run_frames(run_id: UUID, after: int, lifecycle_only: bool) -> AsyncIterator[bytes]:
    latest = after
    async for events in reader.follow(run_id, after=after, silence=conf.SKEINO_STREAM_HEARTBEAT_SECONDS):
        if not events:
            yield HEARTBEAT
        latest = events[-1].seq if events else latest
        wanted = [event for event in events if not lifecycle_only or event.event == "metadata"]
        yield b"".join(frame(e.event, e.data, f"{Place(run_id, e.seq)}") for e in wanted)
    done = json.dumps({"status": "run_done", "run_id": str(run_id)}, separators=(",", ":"))
    yield frame("metadata", done, f"{Place(run_id, latest + 1)}")
