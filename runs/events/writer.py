"""The writing end of the log: one writer per worker process, for all its runs."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import psycopg

from runs import metrics
from runs.events import CHANNEL, RUNS_PER_NOTIFICATION

logger = logging.getLogger(__name__)

# A batch's size: enough that one statement's fixed cost vanishes, little enough to write in a few ms.
ROWS_PER_BATCH = 2000
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
    RETURNING run_id
)
SELECT pg_notify(%s, string_agg(DISTINCT run_id::text, ',')) FROM written HAVING count(*) > 0
"""


class Row(NamedTuple):
    run_id: uuid.UUID
    attempt: int
    seq: int
    event: str
    data: str


class EventWriter:
    """Collects the events of all runs and writes what has gathered each time the last write returns.

    So an idle writer writes an event at once, and a busy one writes many in one commit. Commits of events
    do not wait for the disk: a crash of the database may lose the last of them, never their order, and
    the run's end, whose commit does wait, comes after them all.
    """

    def __init__(self, connect_kwargs: dict[str, Any]) -> None:
        self._connect_kwargs = connect_kwargs
        self._connection: psycopg.AsyncConnection | None = None
        self._waiting: deque[Row] = deque()
        self._waiting_size = 0
        self._appended = self._written = 0
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
            await self._disconnect()

    async def append(self, row: Row) -> None:
        """Hand over an event. Waits only while more is unwritten than the writer may hold."""
        if self._waiting_size > MAX_WAITING:
            async with self._progress:
                await self._progress.wait_for(lambda: self._waiting_size <= MAX_WAITING)
        self._waiting.append(row)
        self._waiting_size += len(row.data)
        self._appended += 1
        self._wake.set()

    async def flush(self) -> None:
        """Wait until everything appended so far is committed."""
        mark = self._appended
        if self._written < mark:
            async with self._progress:
                await self._progress.wait_for(lambda: self._written >= mark)

    async def _write_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while batch := self._next_batch():
                await self._write(batch)
                metrics.count_written(row.data for row in batch)
                self._written += len(batch)
                self._waiting_size -= sum(len(row.data) for row in batch)
                async with self._progress:
                    self._progress.notify_all()

    def _next_batch(self) -> list[Row]:
        batch: list[Row] = []
        runs: set[uuid.UUID] = set()
        while self._waiting and len(batch) < ROWS_PER_BATCH:
            runs.add(self._waiting[0].run_id)
            if len(runs) > RUNS_PER_NOTIFICATION:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _write(self, batch: list[Row]) -> None:
        """Write until it is written: through lost connections, and past runs deleted meanwhile."""
        columns = [list(column) for column in zip(*batch, strict=True)]
        run_ids = list(set(columns[0]))
        delay = 0.1
        while True:
            try:
                connection = await self._connected()
                await connection.execute(INSERT, [run_ids, *columns, CHANNEL])
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
            self._connection = connection
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()
