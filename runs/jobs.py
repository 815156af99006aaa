"""The queue as models use it: in Django's transaction, in whatever process.

In a worker, procrastinate's own app has connections of its own, and what it defers there is not undone with a
transaction of Django's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.manager import JobManager
from psycopg.types.json import Jsonb

from assistants.database import execute

_queue = JobManager(DjangoConnector())

# Makes one job, of what the functions below return, and gives its id in an array.
DEFER = """procrastinate_defer_jobs_v1(ARRAY[ROW(
    'default', %(task)s::text, 0, %(lock)s::text, NULL, %(args)s::jsonb, %(starts_at)s::timestamptz
)::procrastinate_job_to_defer_v1])"""

# Tasks are named here, for they live above the models, and only workers need them.
EXECUTE = "runs.execute"
START = "runs.start"
DELIVER_WEBHOOK = "runs.deliver_webhook"


def execution(run_id: UUID, thread_id: UUID, *, is_followed: bool = True) -> dict[str, Any]:
    """The job that executes the run.

    The thread's id is the lock: its runs are executed one at a time, in the order of their jobs.
    ``is_followed``: somebody may wait for the run's events, not for its end alone.
    """
    return _job(EXECUTE, run_id, lock=str(thread_id), is_followed=is_followed)


def start(run_id: UUID, at: datetime) -> dict[str, Any]:
    """The job that lets a run enter its thread's line, later.

    Not before its time: a job that waits for it would hold back the others.
    """
    return _job(START, run_id) | {"starts_at": at}


def delivery(run_id: UUID) -> dict[str, Any]:
    """The job that tells of the run's end."""
    return _job(DELIVER_WEBHOOK, run_id)


def _job(task: str, run_id: UUID, *, lock: str | None = None, **more: Any) -> dict[str, Any]:
    args = Jsonb({"run_id": str(run_id), **more})
    return {"task": task, "lock": lock, "args": args, "starts_at": None}


def enqueue(run_id: UUID, thread_id: UUID) -> int:
    """Have a run executed that is there already; returns the job's id."""
    [found] = execute(f"SELECT unnest({DEFER}) AS id", execution(run_id, thread_id))
    return int(found["id"])


def deliver_webhook(run_id: UUID) -> None:
    """Have a run's webhook told once more."""
    execute(f"SELECT {DEFER}", delivery(run_id))


def stop(job_id: int) -> None:
    """Delete a job that waits; have the worker of one that is being worked on look at its run again."""
    _queue.cancel_job_by_id(job_id, abort=True, delete_job=True)


# Of the jobs of one queueing lock, periodic ones, only one may wait.
AGAIN = """
    worker_id = NULL, abort_requested = false, attempts = attempts + 1, status = CASE WHEN EXISTS (
        SELECT 1 FROM procrastinate_jobs o
        WHERE o.queueing_lock = j.queueing_lock AND (o.status = 'todo' OR o.status = 'doing' AND o.id > j.id)
    ) THEN 'aborted'::procrastinate_job_status ELSE 'todo' END
"""

# All in one statement, so that of several workers that find a job lost only one takes it back. Who has locked
# a job may be about to lock its run: it is left for the next time. The workers themselves go when they have
# no jobs any more; one that comes back registers again.
TAKE_BACK = f"""
WITH gone AS (
    DELETE FROM procrastinate_workers WHERE id IN (
        SELECT w.id FROM procrastinate_workers w
        WHERE w.last_heartbeat < now() - make_interval(secs => %(seconds)s) AND NOT EXISTS (
            SELECT 1 FROM procrastinate_jobs j WHERE j.worker_id = w.id AND j.status = 'doing'
        )
        FOR UPDATE SKIP LOCKED
    )
), silent AS MATERIALIZED (
    SELECT j.id FROM procrastinate_jobs j
    WHERE j.status = 'doing' AND NOT EXISTS (
        SELECT 1 FROM procrastinate_workers w
        WHERE w.id = j.worker_id AND w.last_heartbeat >= now() - make_interval(secs => %(seconds)s)
    )
    FOR UPDATE SKIP LOCKED
), lost AS (
    UPDATE procrastinate_jobs j SET {AGAIN} FROM silent WHERE j.id = silent.id RETURNING j.id
), runs AS (
    UPDATE runs_run r SET status = 'pending', lost = r.lost + 1, updated_at = now()
    FROM lost WHERE r.job_id = lost.id AND r.status = 'running'
)
SELECT id FROM lost
"""  # nosec B608  (constants)

# Of a worker that may have been given jobs without hearing of it, those that it does not know of.
GIVE_BACK = f"""
WITH unheard AS (
    UPDATE procrastinate_jobs j SET {AGAIN}
    WHERE j.worker_id = %(worker)s AND j.status = 'doing' AND j.id <> ALL(%(kept)s::bigint[])
    RETURNING j.id
), runs AS (
    UPDATE runs_run r SET status = 'pending', updated_at = now()
    FROM unheard WHERE r.job_id = unheard.id AND r.status = 'running'
)
SELECT id FROM unheard
"""  # nosec B608  (constants)


def take_back(silent_seconds: float) -> list[int]:
    """Queue again, and first in their lines, the jobs of workers that have been silent for so long.

    Their runs are pending again; what a lost worker may still write is fenced off by the run's attempt.
    """
    with connection.cursor() as cursor:
        cursor.execute(TAKE_BACK, {"seconds": silent_seconds})
        return [job_id for (job_id,) in cursor.fetchall()]


WITHOUT_JOB = """
SELECT r.id FROM runs_run r
WHERE r.status IN ('pending', 'running') AND r.updated_at < %s AND NOT EXISTS (
    SELECT 1 FROM procrastinate_jobs j WHERE j.id = r.job_id AND j.status IN ('todo', 'doing')
)
"""


def without_job(*, older_than: timedelta) -> list[UUID]:
    """The active runs, unchanged for so long, whose job is gone or has ended."""
    with connection.cursor() as cursor:
        cursor.execute(WITHOUT_JOB, [timezone.now() - older_than])
        return [run_id for (run_id,) in cursor.fetchall()]


def is_alive(job_id: int) -> bool:
    """Whether the job waits or is being worked on."""
    return ProcrastinateJob.objects.filter(pk=job_id, status__in=("todo", "doing")).exists()


LIVE_WORKERS = """
SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => %s)
"""


def live_workers(silent_seconds: float) -> int:
    """How many workers have given a sign of life within so many seconds."""
    with connection.cursor() as cursor:
        cursor.execute(LIVE_WORKERS, [silent_seconds])
        return int(cursor.fetchone()[0])
