"""What waits and what is being done at this moment, in all processes."""

from __future__ import annotations

from typing import NamedTuple

from runs import jobs
from runs.conf import conf
from runs.connections import bounded

# Of this many jobs, the first of those that could begin, the one that waits longest is looked for. Ids
# grow with time, so it is among them unless as many were handed back to the queue before it.
OLDEST_AMONG = 1000

# All from indexes on what is not finished: the number of finished jobs and runs does not matter.
JOBS = """
WITH active AS (
    SELECT id, status, coalesce(status = 'todo' AND scheduled_at > now(), false) AS later,
        lock IS NOT NULL AND row_number() OVER (PARTITION BY lock ORDER BY status = 'doing' DESC, id) > 1
            AS behind
    FROM procrastinate_jobs WHERE status IN ('todo', 'doing')
), startable AS (
    SELECT id FROM active WHERE status = 'todo' AND NOT later AND NOT behind ORDER BY id LIMIT %s
), since AS (
    SELECT max(e.at) AS at FROM startable s JOIN procrastinate_events e ON e.job_id = s.id GROUP BY s.id
)
SELECT
    count(*) FILTER (WHERE status = 'todo' AND NOT later AND NOT behind),
    count(*) FILTER (WHERE status = 'todo' AND NOT later AND behind),
    count(*) FILTER (WHERE later),
    count(*) FILTER (WHERE status = 'doing'),
    (SELECT extract(epoch FROM now() - min(at))::float FROM since)
FROM active
"""
RUNS = """
SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'running'),
    count(DISTINCT thread_id)
FROM runs_run WHERE status IN ('pending', 'running')
"""


class Backlog(NamedTuple):
    """Jobs by what they wait for, and who is there to do them.

    ``waiting`` jobs could begin at once; ``behind`` wait for another of their thread, ``scheduled`` for their
    time. ``oldest_seconds`` is how long the first has been waiting, 0 without one.
    """

    waiting: int
    behind: int
    scheduled: int
    executing: int
    oldest_seconds: float
    pending_runs: int
    running_runs: int
    busy_threads: int
    live_workers: int


def measure(seconds: float) -> Backlog:
    """Raises OperationalError when a query takes longer."""
    with bounded(seconds) as cursor:
        cursor.execute(JOBS, [OLDEST_AMONG])
        waiting, behind, scheduled, executing, oldest = cursor.fetchone()
        cursor.execute(RUNS)
        pending, running, busy = cursor.fetchone()
        return Backlog(
            waiting=waiting,
            behind=behind,
            scheduled=scheduled,
            executing=executing,
            oldest_seconds=oldest or 0.0,
            pending_runs=pending,
            running_runs=running,
            busy_threads=busy,
            live_workers=jobs.live_workers(conf.SKEINO_HEARTBEAT_SECONDS),
        )
