"""The writing end of the log: one writer per worker process, for all its runs."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, NamedTuple

import psycopg

from runs import metrics
from runs.connections import plan_once
from runs.events.follower import Event
from runs.events.notifications import CHANNEL, payloads

logger = logging.getLogger(__name__)

# A batch's size: enough that one statement's fixed cost vanishes, little enough to write in a few ms.
ROWS_PER_BATCH = 2000
# How long after a batch was begun the next one waits: longer after one of so many rows, for more will come as
# fast. And how long events wait that nobody is known to wait for.
GATHER_SECONDS, GATHER_MANY_SECONDS = 0.004, 0.01
MANY_ROWS = 16
LEISURE_SECONDS = 0.05
NEVER = float("inf")
# What may wait to be written, in characters, before `append` waits too.
MAX_WAITING = 8 * 1024 * 1024

# Rows of a run that this attempt has lost are left out; rows that were written already, too: then a batch
# whose answer was lost can be sent again. The runs stay locked until the statement's end, so that no other
# worker takes one over in between. The arrays go over in binary: as text, psycopg writes them much slower.
INSERT = """
WITH live AS MATERIALIZED (
    SELECT id, attempt FROM runs_run WHERE id = ANY(%b::uuid[]) AND status = 'running' ORDER BY id FOR SHARE
), written AS (
    INSERT INTO runs_runevent (run_id, seq, event, data)
    SELECT e.run_id, e.seq, e.event, e.data
    FROM unnest(%b::uuid[], %b::int[], %b::int[], %b::text[], %b::text[])
        AS e (run_id, attempt, seq, event, data)
    JOIN live r ON r.id = e.run_id AND r.attempt = e.attempt
    ON CONFLICT DO NOTHING
)
SELECT pg_notify(%s, t.payload)
FROM unnest(%b::uuid[], %b::int[], %b::text[]) WITH ORDINALITY AS t (run_id, attempt, payload, place)
JOIN live r ON r.id = t.run_id AND r.attempt = t.attempt
ORDER BY t.place
"""


class Row(NamedTuple):
    run_id: uuid.UUID
    attempt: int
    seq: int
    event: str
    data: str

    @property
    def as_event(self) -> Event:
        return Event(self.seq, self.event, self.data)


class EventWriter:
    """Collects the events of all runs and writes them in batches: what has gathered since the last one.

    Events that somebody waits for are written at once, but for those that follow within milliseconds: a
    batch costs Postgres and its readers about as much as a hundred events. Commits of events do not wait for
    the disk: a crash of the database may lose the last of them, never their order, and the run's end, whose
    commit does wait, comes after them all.
    """

    def __init__(self, connect_kwargs: dict[str, Any]) -> None:
        self._connect_kwargs = connect_kwargs
        self._connection: psycopg.AsyncConnection | None = None
        self._waiting: deque[Row] = deque()
        self._waiting_size = 0
        self._writing: set[uuid.UUID] = set()  # whose events are on their way
        self._begun = self._done = 0  # how many times all that waited was taken, and has been written
        self._next_at = 0.0  # not before this
        self._due = NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._wake, self._progress = asyncio.Event(), asyncio.Condition()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[EventWriter]:
        """Write in the background; on leaving, write the rest. If writing fails, so does the body."""
        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(self._write_forever(), name="event writer")
                yield self
                await self.flush()
                task.cancel()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await self._disconnect()

    async def append(self, row: Row, *, soon: bool = True) -> None:
        """Hand over an event; not ``soon`` if nobody is known to wait for it.

        Waits only while more is unwritten than the writer may hold.
        """
        if self._waiting_size > MAX_WAITING:
            self._wake.set()
            async with self._progress:
                await self._progress.wait_for(lambda: self._waiting_size <= MAX_WAITING)
        self._waiting.append(row)
        self._waiting_size += len(row.data)
        self._write_by(self._next_at if soon else monotonic() + LEISURE_SECONDS)
        if self._wake.is_set():
            await asyncio.sleep(0)  # or the run would first go on to its next event

    async def flush(self) -> None:
        """Wait until everything appended so far is committed."""
        if self._waiting:
            self._wake.set()
        await self._until_done(self._begun + bool(self._waiting))

    async def take(self, run_id: uuid.UUID) -> list[Row]:
        """The run's events that are not written, for the caller to write; all before them are committed."""
        taken = [row for row in self._waiting if row.run_id == run_id]
        if taken:
            self._waiting = deque(row for row in self._waiting if row.run_id != run_id)
            self._waiting_size -= sum(len(row.data) for row in taken)
        if run_id in self._writing:
            try:
                await self._until_done(self._begun)
            except asyncio.CancelledError:
                self._waiting.extendleft(reversed(taken))
                self._waiting_size += sum(len(row.data) for row in taken)
                raise
        return taken

    async def _until_done(self, count: int) -> None:
        if self._done < count:
            async with self._progress:
                await self._progress.wait_for(lambda: self._done >= count)

    def _write_by(self, due: float) -> None:
        if due >= self._due:
            return
        self._due = due
        if self._timer is not None:
            self._timer.cancel()
        if (delay := due - monotonic()) <= 0:
            self._wake.set()
        else:
            self._timer = asyncio.get_running_loop().call_later(delay, self._wake.set)

    async def _write_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            gathered, self._waiting = self._waiting, deque()
            self._due, self._begun = NEVER, self._begun + 1
            is_many = len(gathered) >= MANY_ROWS
            self._next_at = monotonic() + (GATHER_MANY_SECONDS if is_many else GATHER_SECONDS)
            self._writing = {row.run_id for row in gathered}
            while batch := _next_batch(gathered):
                await self._write(batch)
                metrics.count_written(row.data for row in batch)
                self._waiting_size -= sum(len(row.data) for row in batch)
            self._writing = set()
            self._done = self._begun
            async with self._progress:
                self._progress.notify_all()

    async def _write(self, batch: list[Row]) -> None:
        """Write until it is written: through lost connections, and past runs deleted meanwhile."""
        columns = [list(column) for column in zip(*batch, strict=True)]
        run_ids = list(set(columns[0]))
        told = [list(column) for column in zip(*_told(batch), strict=True)]
        delay = 0.1
        while True:
            try:
                connection = await self._connected()
                await connection.execute(INSERT, [run_ids, *columns, CHANNEL, *told])
                return
            except psycopg.errors.ForeignKeyViolation:
                continue  # a run was deleted while this was written; the next try leaves its rows out
            except psycopg.OperationalError as exc:
                logger.warning("Events cannot be written, trying again in %.1f s: %s", delay, exc)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    async def _connected(self) -> psycopg.AsyncConnection:
        if self._connection is None or self._connection.closed:
            await self._disconnect()
            connection = await psycopg.AsyncConnection.connect(**self._connect_kwargs, autocommit=True)
            await connection.execute("SET synchronous_commit TO off")
            await plan_once(connection)
            self._connection = connection
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()


def _next_batch(waiting: deque[Row]) -> list[Row]:
    return [waiting.popleft() for _ in range(min(len(waiting), ROWS_PER_BATCH))]


def _told(batch: list[Row]) -> Iterator[tuple[uuid.UUID, int, str]]:
    """The notifications of each attempt: none is sent for events that are left out."""
    attempts: dict[tuple[uuid.UUID, int], list[Event]] = defaultdict(list)
    for row in batch:
        attempts[row.run_id, row.attempt].append(row.as_event)
    for (run_id, attempt), events in attempts.items():
        for payload in payloads(run_id, events):
            yield run_id, attempt, payload
