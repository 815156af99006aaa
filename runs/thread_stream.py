"""The events of all runs of a thread, one run after another, while somebody listens (wire contract 4.8)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple, Self
from uuid import UUID

from runs.conf import conf
from runs.connections import persistently
from runs.events import END, reader
from runs.exceptions import InvalidEventId
from runs.lookout import Lookout, ThreadGone
from runs.models import Run
from runs.sse import HEARTBEAT, frame
from threads.models import Thread

BEGINNING = ("-", "-1", "0", "0-0")
LONG_AGO = datetime.min.replace(tzinfo=UTC)

STARTED_AT = "SELECT started_at FROM runs_run WHERE id = %s AND started_at IS NOT NULL"


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


class Start(NamedTuple):
    """After which event of which run, and since when others are to come. ``goes_on``: the run has more."""

    run_id: UUID | None = None
    seq: int = 0
    since: datetime = LONG_AGO
    goes_on: bool = False

    @classmethod
    def at(cls, thread: Thread, last_event_id: str | None) -> Self:
        """Now without an id, and else after the event that had it. Raises InvalidEventId."""
        if last_event_id in BEGINNING:
            return cls()
        begun = Run.objects.filter(thread=thread, started_at__isnull=False)
        if last_event_id is None:
            latest = begun.order_by("-started_at").first()
            if latest is None:
                return cls()
            return cls(latest.pk, latest.last_seq(), latest.started_at or LONG_AGO, not latest.is_finished)
        place = Place.parse(last_event_id)
        run = begun.filter(pk=place.run_id).first()
        if run is None:
            # Of a run that was deleted meanwhile there is nothing more. Later ones began after it was made.
            return cls(since=place.made_at)
        is_told = run.events.filter(event=END, seq__lte=place.seq).exists()
        return cls(run.pk, place.seq, run.started_at or LONG_AGO, not is_told)


class ThreadStream:
    """One listener's way through a thread's runs."""

    def __init__(self, thread_id: UUID, start: Start, *, lifecycle_only: bool) -> None:
        self._thread_id, self._lifecycle_only = thread_id, lifecycle_only
        self._run_id, self._seq, self._since, self._goes_on = start

    async def frames(self) -> AsyncIterator[bytes]:
        """Until the thread is deleted. Raises StreamsClosed when this process stops."""
        while True:
            if self._goes_on and self._run_id is not None:
                async for part in self._run_frames(self._run_id):
                    yield part
            with Lookout.of_this_loop().next_run(self._thread_id, self._since) as begun:
                while not (await asyncio.wait([begun], timeout=conf.SKEINO_STREAM_HEARTBEAT_SECONDS))[0]:
                    yield HEARTBEAT
                if isinstance(begun.exception(), ThreadGone):
                    return
                self._enter(*begun.result())

    def _enter(self, run_id: UUID, started_at: datetime) -> None:
        if run_id != self._run_id:  # one that is tried again goes on in its log
            self._run_id, self._seq = run_id, 0
        self._since, self._goes_on = started_at, True

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
        for (started_at,) in await persistently(reader.fetch, STARTED_AT, [run_id]):
            self._since = max(self._since, started_at)  # the run may have had several attempts
        done = json.dumps({"status": "run_done", "run_id": str(run_id)}, separators=(",", ":"))
        yield frame("metadata", done, f"{Place(run_id, self._seq + 1)}")
