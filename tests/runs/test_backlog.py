from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from runs import backlog
from runs.backlog import Backlog, measure
from runs.models import Run
from tests.runs.engine import at_once, claimed, new_thread, submit
from tests.runs.many import analyze, finished_runs, plan

pytestmark = pytest.mark.usefixtures("engine_db")

SECONDS = 5.0
NOTHING = Backlog(0, 0, 0, 0, 0.0, 0, 0, 0, 0)


def execute(statement: str, *values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def start_job(run: Run) -> None:
    """What a worker does that fetches it."""
    execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", run.job_id)


def defer_ago(run: Run, seconds: float) -> None:
    """As if the run had been submitted so long ago."""
    execute(
        "UPDATE procrastinate_events SET at = at - make_interval(secs => %s) WHERE job_id = %s",
        seconds,
        run.job_id,
    )


def test_there_is_none_where_nothing_is_to_be_done() -> None:
    assert measure(SECONDS) == NOTHING


def test_jobs_are_told_apart_by_what_they_wait_for() -> None:
    busy, queued = new_thread(), new_thread()
    start_job(submit(thread=busy))
    submit(thread=busy)
    submit(thread=queued)
    submit(thread=queued)
    submit(thread=queued)
    later = submit()
    execute(
        "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour' WHERE id = %s", later.job_id
    )
    found = measure(SECONDS)
    assert (found.waiting, found.behind, found.scheduled, found.executing) == (1, 3, 1, 1)


def test_a_job_whose_time_has_come_waits() -> None:
    run = submit()
    execute(
        "UPDATE procrastinate_jobs SET scheduled_at = now() - interval '1 second' WHERE id = %s", run.job_id
    )
    assert measure(SECONDS)[:3] == (1, 0, 0)


def test_the_oldest_is_the_one_that_could_begin_first() -> None:
    thread = new_thread()
    first, second, other = submit(thread=thread), submit(thread=thread), submit()
    defer_ago(first, 60)
    defer_ago(second, 3600)  # behind the first, so no more workers would help it
    defer_ago(other, 120)
    assert measure(SECONDS).oldest_seconds == pytest.approx(120, abs=5)


def test_a_job_that_was_handed_back_waits_since_then() -> None:
    run = submit()
    defer_ago(run, 3600)
    start_job(run)
    execute("UPDATE procrastinate_jobs SET status = 'todo' WHERE id = %s", run.job_id)
    assert measure(SECONDS).oldest_seconds < 5


def test_runs_and_threads_are_those_that_have_not_ended() -> None:
    thread = new_thread()
    claimed()
    submit(thread=thread)
    submit(thread=thread)
    submit().cancel()
    found = measure(SECONDS)
    assert (found.pending_runs, found.running_runs, found.busy_threads) == (2, 1, 2)


def test_workers_are_those_that_live() -> None:
    execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()), (now() - interval '1 day')")
    assert measure(SECONDS).live_workers == 1


def test_no_query_takes_longer_than_it_may() -> None:
    with transaction.atomic():
        execute("LOCK TABLE procrastinate_jobs IN ACCESS EXCLUSIVE MODE")
        [error] = at_once(lambda: measure(0.1))
    assert isinstance(error, OperationalError)


def test_what_is_finished_costs_nothing() -> None:
    finished_runs(10_000, ended_ago=timedelta(hours=1))
    execute(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status)"
        " SELECT 'default', 'x', 'failed' FROM generate_series(1, 10000)"
    )
    analyze()
    assert "Seq Scan on procrastinate_jobs" not in plan(backlog.JOBS, [backlog.OLDEST_AMONG])
    assert "Seq Scan on runs_run" not in plan(backlog.RUNS)
