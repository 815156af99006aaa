from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from runs import retention, tasks
from runs.events import reader
from runs.models import Run, RunEvent
from tests.runs.engine import asubmit, at_once, claimed, submit, work_off, working
from tests.runs.many import analyze, finished_runs, plan
from tests.tasks import execute_task
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("engine_db")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def events_of(run_id: uuid.UUID) -> int:
    return RunEvent.objects.filter(run_id=run_id).count()


def log_events(run: Run, count: int) -> None:
    RunEvent.objects.bulk_create(
        RunEvent(run=run, seq=seq, event="values", data="{}") for seq in range(count)
    )


# Logs


def test_logs_of_runs_that_had_ended_by_then_go() -> None:
    [old] = finished_runs(1, ended_ago=2 * HOUR, events=3)
    [new] = finished_runs(1, ended_ago=HOUR, events=3)
    assert RunEvent.objects.prune(timezone.now() - 1.5 * HOUR) == 3
    assert (events_of(old), events_of(new)) == (0, 3)
    assert Run.objects.count() == 2


def test_it_is_their_end_that_counts_not_their_beginning() -> None:
    [long] = finished_runs(1, ended_ago=HOUR, lasted=DAY, events=3)
    assert RunEvent.objects.prune(timezone.now() - 2 * HOUR) == 0
    assert RunEvent.objects.prune(timezone.now() - HOUR / 2) == 3
    assert events_of(long) == 0


@pytest.mark.parametrize("make", [submit, claimed])
def test_logs_of_runs_that_have_not_ended_stay(make: Callable[[], Run]) -> None:
    run = make()
    log_events(run, 3)
    [ended] = finished_runs(1, ended_ago=timedelta(0), events=3)
    assert RunEvent.objects.prune(timezone.now() + HOUR) == 3
    assert (events_of(run.pk), events_of(ended)) == (3, 0)


def test_a_run_that_is_tried_again_keeps_its_log_although_it_had_ended() -> None:
    """``retry`` forgets the end; a time that was left behind by whatever else does not count either."""
    [run_id] = finished_runs(1, ended_ago=DAY, events=3, status="pending")
    assert RunEvent.objects.prune(timezone.now()) == 0
    assert events_of(run_id) == 3


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8, 1000])
def test_batches_are_no_larger_than_asked_for_and_leave_nothing(batch: int) -> None:
    finished_runs(4, ended_ago=DAY, events=5)
    seen: list[int] = []
    assert RunEvent.objects.prune(timezone.now() - HOUR, batch=batch, progress=seen.append) == 20
    sizes = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert seen[-1] == 20
    assert max(sizes) <= batch
    assert not RunEvent.objects.exists()


def test_each_batch_is_a_transaction_of_its_own() -> None:
    finished_runs(2, ended_ago=DAY, events=5)

    def give_up(total: int) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        RunEvent.objects.prune(timezone.now() - HOUR, batch=4, progress=give_up)
    assert RunEvent.objects.count() == 6


def test_it_ends_when_its_time_is_up() -> None:
    finished_runs(2, ended_ago=DAY, events=5)
    pauses = RunEvent.objects.prune(
        timezone.now() - HOUR, batch=2, seconds=0.05, progress=lambda total: time.sleep(0.1)
    )
    assert pauses == 2
    assert RunEvent.objects.prune(timezone.now() - HOUR, seconds=0) == 0
    assert RunEvent.objects.count() == 8


def test_what_somebody_else_works_on_is_neither_waited_for_nor_lost() -> None:
    [held, free] = finished_runs(2, ended_ago=DAY, events=2)
    with transaction.atomic():
        list(RunEvent.objects.select_for_update().filter(run_id=held))
        [pruned] = at_once(lambda: RunEvent.objects.prune(timezone.now() - HOUR))
    assert pruned == 2
    assert (events_of(held), events_of(free)) == (2, 0)
    assert RunEvent.objects.prune(timezone.now() - HOUR) == 2


def test_many_at_once_delete_each_row_once() -> None:
    finished_runs(20, ended_ago=DAY, events=20)
    before = timezone.now() - HOUR
    pruned = at_once(*[lambda: RunEvent.objects.prune(before, batch=7)] * 4)
    assert sum(pruned) + RunEvent.objects.prune(before) == 400


def test_a_thread_can_be_deleted_meanwhile() -> None:
    for _ in range(5):
        finished_runs(10, ended_ago=DAY, events=20)
        thread = Thread.objects.get()
        before = timezone.now() - HOUR
        outcomes = at_once(
            thread.delete,
            lambda before=before: RunEvent.objects.prune(before, batch=5),  # type: ignore[misc]
            lambda before=before: Run.objects.prune(before, batch=3),  # type: ignore[misc]
        )
        assert not any(isinstance(outcome, Exception) for outcome in outcomes)
        assert not RunEvent.objects.exists()


async def test_a_stream_of_a_run_whose_log_is_gone_ends_at_once(engine: None, settings: Settings) -> None:
    settings.SKEINO_EVENT_POLL_SECONDS = 60
    run = await asubmit("echo", input={"messages": []})
    await work_off()
    await sync_to_async(RunEvent.objects.prune)(timezone.now())
    async with asyncio.timeout(5):
        assert [events async for events in reader.follow(run.pk)] == []
        await reader.wait_for_end(run.pk)


# Runs


def test_runs_that_had_ended_by_then_go_with_their_logs() -> None:
    old = finished_runs(3, ended_ago=2 * DAY, events=2)
    new = finished_runs(2, ended_ago=HOUR, events=2)
    assert Run.objects.prune(timezone.now() - DAY) == 3
    assert set(Run.objects.values_list("pk", flat=True)) == set(new)
    assert not RunEvent.objects.filter(run_id__in=old).exists()
    assert RunEvent.objects.count() == 4
    assert Thread.objects.count() == 2


@pytest.mark.parametrize("make", [submit, claimed])
def test_runs_that_have_not_ended_stay(make: Callable[[], Run]) -> None:
    run = make()
    finished_runs(1, ended_ago=timedelta(0))
    assert Run.objects.prune(timezone.now() + HOUR) == 1
    assert Run.objects.get().pk == run.pk


def test_runs_go_in_batches_too() -> None:
    finished_runs(5, ended_ago=DAY, events=3)
    seen: list[int] = []
    assert Run.objects.prune(timezone.now() - HOUR, batch=2, progress=seen.append) == 5
    assert seen == [2, 4, 5]


def test_neither_reads_what_is_to_stay() -> None:
    finished_runs(5_000, ended_ago=HOUR, events=2)
    finished_runs(5, ended_ago=DAY, events=2)
    analyze()
    before = timezone.now() - 2 * HOUR
    values = {
        "first": uuid.UUID(int=0),
        "until": retention.smallest_id(before),
        "ended_before": before,
        "limit": 5000,
    }
    for statement in (retention.PRUNE_EVENTS, retention.PRUNE_RUNS):
        assert "Seq Scan" not in plan(statement + retention.COUNT, values)


# By themselves


def test_the_settings_say_what_is_kept(settings: Settings) -> None:
    settings.SKEINO_EVENT_RETENTION_HOURS, settings.SKEINO_RUN_RETENTION_DAYS = 1, 1
    [old] = finished_runs(1, ended_ago=2 * DAY, events=2)
    [older] = finished_runs(1, ended_ago=2 * HOUR, events=2)
    [young] = finished_runs(1, ended_ago=HOUR / 2, events=2)
    execute_task(tasks.prune, 0)
    assert set(Run.objects.values_list("pk", flat=True)) == {older, young}
    assert (events_of(old), events_of(older), events_of(young)) == (0, 0, 2)


def test_logs_are_kept_for_three_days_and_runs_for_ever() -> None:
    [old] = finished_runs(1, ended_ago=timedelta(hours=73), events=2)
    [young] = finished_runs(1, ended_ago=timedelta(hours=71), events=2)
    execute_task(tasks.prune, 0)
    assert (events_of(old), events_of(young), Run.objects.count()) == (0, 2, 2)


def test_logs_may_be_kept_for_longer_than_there_is_unix_time(settings: Settings) -> None:
    settings.SKEINO_EVENT_RETENTION_HOURS = 100 * 365 * 24
    [old] = finished_runs(1, ended_ago=1000 * DAY, events=2)
    execute_task(tasks.prune, 0)
    assert events_of(old) == 2


def test_everything_may_be_kept(settings: Settings) -> None:
    settings.SKEINO_EVENT_RETENTION_HOURS = None
    [old] = finished_runs(1, ended_ago=1000 * DAY, events=2)
    execute_task(tasks.prune, 0)
    assert events_of(old) == 2


def test_it_is_done_by_workers() -> None:
    periodic = {task.task.name for task in app.periodic_registry.periodic_tasks.values()}
    assert {"runs.prune", "runs.remove_old_jobs"} <= periodic


@pytest.mark.parametrize("status", ["failed", "cancelled", "aborted", "succeeded", "todo"])
@pytest.mark.parametrize(("age", "kept"), [(25 * HOUR, False), (23 * HOUR, True)])
async def test_jobs_that_ended_a_day_ago_are_deleted(
    engine: None, status: str, age: timedelta, kept: bool
) -> None:
    job_id = await sync_to_async(ended_job)(status, age)
    await app.configure_task("runs.remove_old_jobs").defer_async(timestamp=0)
    async with working(), asyncio.timeout(10):
        while await ProcrastinateJob.objects.filter(task_name="runs.remove_old_jobs").aexists():
            await asyncio.sleep(0.01)
    assert await ProcrastinateJob.objects.filter(pk=job_id).aexists() is (kept or status == "todo")


@transaction.atomic
def ended_job(status: str, age: timedelta) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, scheduled_at)"
            " VALUES ('default', 'x', now() + interval '1 day') RETURNING id"
        )
        [job_id] = cursor.fetchone()
        cursor.execute("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", [status, job_id])
        cursor.execute(
            "UPDATE procrastinate_events SET at = now() - make_interval(secs => %s)", [age.total_seconds()]
        )
    return int(job_id)
