"""The events of all runs of a thread, one run after another, while somebody listens (wire contract 4.8)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple, Self
from uuid import UUID

from runs.conf import conf
from runs.events import END, reader
from runs.exceptions import InvalidEventId
from runs.lookout import Lookout, ThreadGone
from runs.sse import HEARTBEAT, frame

BEGINNING = ("-", "-1", "0", "0-0")
LONG_AGO = datetime.min.replace(tzinfo=UTC)

STARTED_AT = "SELECT started_at FROM runs_run WHERE id = %s AND started_at IS NOT NULL"
RUN_OF_EVENT = """
SELECT started_at, EXISTS (SELECT 1 FROM runs_runevent WHERE run_id = r.id AND event = %s AND seq <= %s)
FROM runs_run r WHERE thread_id = %s AND id = %s AND started_at IS NOT NULL
"""
LATEST_RUN = """
SELECT id, COALESCE((SELECT max(seq) FROM runs_runevent WHERE run_id = r.id), 0), started_at,
    status IN ('pending', 'running')
FROM runs_run r WHERE thread_id = %s AND started_at IS NOT NULL ORDER BY started_at DESC LIMIT 1
"""


class Place(NamedTuple):
    """After which event of which run. Its text is an event's id."""

    run_id: UUID
    seq: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidEventId for what is no event's id."""
        run_id, _, seq = text.rpartition("-")
        try:
            place = cls(UUID(run_id), int(seq) if len(seq) < 10 else -1)
            is_id = place.run_id.version == 7 and str(place) == text and bool(place.made_at)
        except ValueError:
            is_id = False
        if not is_id:
            raise InvalidEventId
        return place

    def __str__(self) -> str:
        return f"{self.run_id}-{self.seq}"

    @property
    def made_at(self) -> datetime:
        """When the run was made, as its id says, to the millisecond."""
        return datetime.fromtimestamp((self.run_id.int >> 80) / 1000, UTC)


class ThreadStream:
    """One listener's way through a thread's runs: after which event of which, and since when it waits."""

    def __init__(self, thread_id: UUID, *, lifecycle_only: bool) -> None:
        self._thread_id, self._lifecycle_only = thread_id, lifecycle_only
        self._run_id: UUID | None = None
        self._seq, self._since = 0, LONG_AGO

    async def frames(self, last_event_id: str | None) -> AsyncIterator[bytes]:
        """From now on without an id, and else from after the event that had it; until the thread is deleted.

        Raises StreamsClosed when this process stops.
        """
        goes_on = await self._begin(last_event_id)
        while True:
            if goes_on and self._run_id is not None:
                async for part in self._run_frames(self._run_id):
                    yield part
            with Lookout.of_this_loop().next_run(self._thread_id, self._since) as begun:
                while not (await asyncio.wait([begun], timeout=conf.SKEINO_STREAM_HEARTBEAT_SECONDS))[0]:
                    yield HEARTBEAT
                if isinstance(begun.exception(), ThreadGone):
                    return
                self._enter(*begun.result())
            goes_on = True

    async def _begin(self, last_event_id: str | None) -> bool:
        """Find the place to begin at. Whether its run has more to send."""
        if last_event_id in BEGINNING:
            return False
        if last_event_id is None:
            latest = await reader.fetch(LATEST_RUN, [self._thread_id])
            if not latest:
                return False
            [(self._run_id, self._seq, self._since, is_active)] = latest
            return is_active
        place = Place.parse(last_event_id)
        found = await reader.fetch(RUN_OF_EVENT, [END, place.seq, self._thread_id, place.run_id])
        if not found:
            # Of a run that was deleted meanwhile there is nothing more. Later ones began after it was made.
            self._since = place.made_at
            return False
        self._run_id, self._seq = place
        [(self._since, is_told)] = found
        return not is_told

    def _enter(self, run_id: UUID, started_at: datetime) -> None:
        if run_id != self._run_id:  # one that is tried again goes on in its log
            self._run_id, self._seq = run_id, 0
        self._since = started_at

    async def _run_frames(self, run_id: UUID) -> AsyncIterator[bytes]:
        """The frames of the run's events, and one that tells its end."""
        silence = conf.SKEINO_STREAM_HEARTBEAT_SECONDS
        async for events in reader.follow(run_id, after=self._seq, silence=silence):
            if events:
                self._seq = events[-1].seq
            wanted = [event for event in events if not self._lifecycle_only or event.event == "metadata"]
            if wanted or not events:
                sent = b"".join(frame(e.event, e.data, f"{Place(run_id, e.seq)}") for e in wanted)
                yield sent or HEARTBEAT
        for (started_at,) in await reader.fetch(STARTED_AT, [run_id]):
            self._since = max(self._since, started_at)  # the run may have had several attempts
        done = json.dumps({"status": "run_done", "run_id": str(run_id)}, separators=(",", ":"))
        yield frame("metadata", done, f"{Place(run_id, self._seq + 1)}")
