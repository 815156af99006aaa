"""Finished runs, as many as a test likes, without executing any."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from assistants.models import Assistant
from runs.models import Run, RunEvent
from tests.runs.engine import new_thread


def finished_runs(
    count: int,
    *,
    ended_ago: timedelta,
    lasted: timedelta = timedelta(0),
    events: int = 0,
    status: str = "success",
) -> list[UUID]:
    """Runs of one thread, each with so many events, the last of which is its end. Returns their ids."""
    Assistant.objects.sync()
    thread, assistant = new_thread(), Assistant.objects.find("echo")
    finished = timezone.now() - ended_ago
    started = finished - lasted
    runs = Run.objects.bulk_create(
        Run(
            id=run_id_of(started),
            thread=thread,
            assistant=assistant,
            job_id=0,
            status=status,
            attempt=1,
            created_at=started,
            started_at=started,
            finished_at=finished,
        )
        for _ in range(count)
    )
    RunEvent.objects.bulk_create(
        RunEvent(run=run, seq=seq, event="end" if seq == events else "values", data="{}")
        for run in runs
        for seq in range(1, events + 1)
    )
    return [run.pk for run in runs]


def run_id_of(time: datetime) -> UUID:
    """An id as runs got that were submitted then."""
    return uuid7(int(time.timestamp()), time.microsecond * 1000)


def analyze() -> None:
    """Let the planner know how many rows there are."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def plan(query: str, values: Sequence[Any] | dict[str, Any] = ()) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {query}", values)
        return "\n".join(line for (line,) in cursor.fetchall())
