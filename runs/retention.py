"""Deleting what is older than anybody wants to keep it: logs of runs, and runs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection

# How many rows one statement deletes: some tens of milliseconds' worth.
BATCH = 5000

# Ids begin with the time of their making, so the runs that had ended by a time are among the first in the
# primary keys of both tables. The log is walked from run to run: what is to stay costs a look at its run, not
# at its events.
PRUNE_EVENTS = """
WITH RECURSIVE logged AS (
    (
        SELECT run_id FROM runs_runevent WHERE run_id >= %(first)s AND run_id < %(until)s
        ORDER BY run_id LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT e.run_id FROM runs_runevent e WHERE e.run_id > l.run_id AND e.run_id < %(until)s
        ORDER BY e.run_id LIMIT 1
    )
    FROM logged l WHERE l.run_id IS NOT NULL
), doomed AS (
    SELECT e.place FROM logged l CROSS JOIN LATERAL (
        SELECT ctid AS place FROM runs_runevent
        WHERE run_id = l.run_id AND (
            SELECT finished_at < %(ended_before)s AND status NOT IN ('pending', 'running')
            FROM runs_run WHERE id = l.run_id
        )
        ORDER BY seq FOR UPDATE SKIP LOCKED
    ) e LIMIT %(limit)s
), deleted AS (
    DELETE FROM runs_runevent WHERE ctid = ANY (ARRAY(SELECT place FROM doomed)) RETURNING run_id AS id
)
"""
PRUNE_RUNS = """
WITH deleted AS (
    DELETE FROM runs_run WHERE id = ANY (ARRAY(
        SELECT id FROM runs_run
        WHERE id >= %(first)s AND id < %(until)s
        AND finished_at < %(ended_before)s AND status NOT IN ('pending', 'running')
        ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ))
    RETURNING id
)
"""
# A run's deliveries are younger than the run.
PRUNE_DELIVERIES = """
WITH deleted AS (
    DELETE FROM runs_webhookdelivery WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM runs_webhookdelivery
        WHERE run_id >= %(first)s AND run_id < %(until)s AND sent_at < %(ended_before)s
        ORDER BY run_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ))
    RETURNING run_id AS id
)
"""
COUNT = "SELECT count(*), (SELECT id FROM deleted ORDER BY id DESC LIMIT 1) FROM deleted"


class Prune:
    """A queryset's verb: delete by age. What the queryset is filtered by does not matter."""

    deleting: str  # a statement's beginning that deletes a batch, and calls it so

    def prune(
        self,
        ended_before: datetime,
        *,
        batch: int = BATCH,
        seconds: float | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> int:
        """Delete what belongs to the runs that had ended by then; returns how many rows went.

        In batches of so many, each a transaction of its own, oldest first, until there are no more or the
        time is up. ``progress`` is called after each with the number so far. Rows that somebody else has
        locked are left for the next time.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        values: dict[str, Any] = {"limit": batch, "ended_before": ended_before}
        values |= {"first": uuid.UUID(int=0), "until": smallest_id(ended_before)}
        total = 0
        while deadline is None or time.monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute(self.deleting + COUNT, values)
                # From there on, for what was deleted stays in the index until it is vacuumed.
                deleted, values["first"] = cursor.fetchone()
            total += deleted
            if deleted and progress is not None:
                progress(total)
            if deleted < batch:
                break
        return total


class PruneEvents(Prune):
    deleting = PRUNE_EVENTS


class PruneDeliveries(Prune):
    """By the time of each delivery: one of today's of an old run stays."""

    deleting = PRUNE_DELIVERIES


class PruneRuns(Prune):
    deleting = PRUNE_RUNS

    def prune(
        self,
        ended_before: datetime,
        *,
        batch: int = BATCH,
        seconds: float | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> int:
        """Their logs go first, in batches too, and are not counted. Their threads stay as they are."""
        begun = time.monotonic()
        PruneEvents().prune(ended_before, batch=batch, seconds=seconds)
        if seconds is not None:
            seconds -= time.monotonic() - begun
        return super().prune(ended_before, batch=batch, seconds=seconds, progress=progress)


def smallest_id(time: datetime) -> uuid.UUID:
    """Smaller than that of anything made since: they begin with the time in milliseconds (UUIDv7)."""
    return uuid.UUID(int=max(int(time.timestamp() * 1000), 0) << 80)
