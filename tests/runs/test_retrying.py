"""Runs that are tried again: by a person, or because they were stuck."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from runs import tasks
from runs.events.reader import follow
from runs.exceptions import RunNotRetryable
from runs.models import Run, RunEvent
from tests.runs.engine import (
    IDLE,
    aclaim,
    alog_of,
    asubmit,
    at_once,
    athread_of,
    claimed,
    ended,
    finish,
    log_of,
    one_behind_another,
    submit,
    thread_of,
    work_off,
    working,
)
from tests.runs.told import Folder
from tests.tasks import execute_task
from threads import state
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("engine")

aretry = sync_to_async(Run.retry)
arecover = sync_to_async(Run.objects.recover)


async def executed(assistant_id: str, **body: Any) -> Run:
    run = await asubmit(assistant_id, **body)
    await work_off()
    return await Run.objects.select_related("thread").aget(pk=run.pk)


def failed() -> Run:
    run = claimed()
    finish(run, Run.Status.ERROR, None, seq=1)
    return run


def standing(run: Run) -> tuple[str, int, int]:
    return Run.objects.values_list("status", "attempt", "lost").get(pk=run.pk)


# --- retry ---


async def test_a_failed_run_goes_on_where_it_failed(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.open("gate")
        run = await executed("failing_once", input=folder.input)
        assert (run.status, run.thread.status) == ("error", "error")
        folder.open("mended")
        await aretry(run)
        run = await Run.objects.select_related("thread").aget(pk=run.pk)
        assert (run.status, run.error, run.thread.status) == ("pending", None, "busy")
        await work_off()
    run = await Run.objects.select_related("thread").aget(pk=run.pk)
    assert (run.status, run.attempt, run.error) == ("success", 2, None)
    assert (run.thread.status, run.thread.values["done"]) == ("idle", ["first", "mended", "second"])
    assert folder.lines == ["first", "fail_once", "fail_once", "second"]


async def test_its_log_goes_on_too_and_ends_once(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.open("gate")
        run = await executed("failing_once", input=folder.input, stream_mode=["updates"])
        assert (await alog_of(run))[-2:] == ["error", "end"]
        folder.open("mended")
        await aretry(run)
        async with working():
            events = [event async for events in follow(run.pk) for event in events]
    assert (await alog_of(run)).count("end") == 1
    seqs = [event.seq for event in events]
    names = ["metadata", "updates", "metadata", "updates", "updates"]
    assert [event.event for event in events] == names
    assert [json.loads(e.data)["attempt"] for e in events if e.event == "metadata"] == [1, 2]
    assert seqs == [
        1,
        2,
        5,
        6,
        7,
    ]  # those between were an error and the end: who has read them misses nothing


@pytest.mark.parametrize("how", ["cancelled", "timeout"])
async def test_a_run_that_was_stopped_goes_on(tmp_path: Path, how: str) -> None:
    with Folder(tmp_path) as folder:
        body: dict[str, Any] = {"timeout_seconds": 0.8} if how == "timeout" else {}
        run = await asubmit("three_steps", input=folder.input, **body)
        async with working():
            await folder.await_line("second")
            if how == "cancelled":
                await sync_to_async(run.cancel)()
            await ended(run)
        folder.open("gate")
        await aretry(run)
        await work_off()
    run = await Run.objects.select_related("thread").aget(pk=run.pk)
    assert (run.status, run.attempt) == ("success", 2)
    assert run.thread.values["done"] == ["first", "second", "third"]
    assert folder.lines == ["first", "second", "second", "third"]


async def test_a_run_that_was_cancelled_before_it_began_begins() -> None:
    run = await asubmit("slow", input={"text": "0"})
    await sync_to_async(run.cancel)()
    await aretry(run)
    await work_off()
    run = await Run.objects.select_related("thread").aget(pk=run.pk)
    assert (run.status, run.attempt, run.thread.values) == ("success", 1, {"text": "0", "log": ["0 steps"]})


async def test_a_run_goes_on_from_the_state_that_was_edited_meanwhile(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.open("gate")
        run = await executed("failing_once", input=folder.input)
        thread = await athread_of(run)
        await sync_to_async(partial(state.update, as_node="fail_once"))(thread, [{"done": ["by hand"]}])
        await aretry(run)
        await work_off()
    assert (await athread_of(run)).values["done"] == ["first", "by hand", "second"]
    assert folder.lines == ["first", "fail_once", "second"]


@pytest.mark.parametrize("make", [submit, claimed])
def test_an_active_run_is_not_retried(make: Any) -> None:
    run = make()
    before = standing(run)
    with pytest.raises(RunNotRetryable):
        run.retry()
    assert standing(run) == before


def test_a_run_that_went_well_is_not_retried() -> None:
    run = claimed()
    finish(run, Run.Status.SUCCESS, IDLE, seq=1)
    with pytest.raises(RunNotRetryable):
        run.retry()
    assert (thread_of(run).status, log_of(run)) == ("idle", ["end"])


@pytest.mark.parametrize("finish", [True, False])
def test_a_run_that_others_came_after_is_not_retried(finish: bool) -> None:
    run = failed()
    later = submit(thread=run.thread)
    if finish:
        later.cancel()
    with pytest.raises(RunNotRetryable):
        run.retry()
    assert standing(run)[0] == "error"


def test_a_retried_run_counts_its_losses_anew() -> None:
    run = failed()
    Run.objects.filter(pk=run.pk).update(lost=3, cancel_action="interrupt")
    run.retry()
    found = Run.objects.get(pk=run.pk)
    assert (found.lost, found.cancel_action) == (0, "")


def test_of_two_retries_one_queues_the_run() -> None:
    run = failed()
    results = at_once(run.retry, run.retry)
    assert {type(result) for result in results} == {type(None), RunNotRetryable}
    run = Run.objects.get(pk=run.pk)
    assert ProcrastinateJob.objects.filter(args__run_id=str(run.pk)).count() == 2  # with its first


def test_a_run_is_retried_or_another_comes_after_it() -> None:
    run = failed()
    _, refused = one_behind_another(partial(submit, thread=run.thread), run.retry)
    assert isinstance(refused, RunNotRetryable)
    other = failed()
    retried, later = one_behind_another(other.retry, partial(submit, thread=other.thread))
    assert retried is None
    assert later.job_id > Run.objects.get(pk=other.pk).job_id


# --- recover ---


async def aged(run: Run) -> None:
    await Run.objects.filter(pk=run.pk).aupdate(updated_at=run.created_at - timedelta(minutes=5))


@pytest.mark.parametrize("status", ["pending", "running"])
@pytest.mark.parametrize("damage", ["deleted", "failed"])
async def test_a_run_without_a_job_is_queued_again(status: str, damage: str) -> None:
    run = await asubmit("slow", input={"text": "0"})
    if status == "running":
        await aclaim(run.pk)
    await aged(run)
    await sync_to_async(damaged)(run, damage)
    assert await arecover() == 1
    found = await Run.objects.aget(pk=run.pk)
    assert (found.status, found.lost) == ("pending", int(status == "running"))
    assert found.job_id != run.job_id
    assert await arecover() == 0
    await work_off()
    assert (await Run.objects.aget(pk=run.pk)).status == "success"


def damaged(run: Run, damage: str) -> None:
    with connection.cursor() as cursor:
        if damage == "deleted":
            cursor.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [run.job_id])
        else:
            cursor.execute("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", [damage, run.job_id])


async def test_a_run_that_has_just_changed_is_left_alone() -> None:
    run = await asubmit("slow", input={"text": "0"})
    await sync_to_async(damaged)(run, "deleted")
    assert await arecover() == 0


async def test_runs_with_a_job_are_left_alone() -> None:
    runs = [await asubmit("slow", input={"text": "0"}), await asubmit("slow", after_seconds=100)]
    for run in runs:
        await aged(run)
    assert await arecover() == 0
    assert [(await Run.objects.aget(pk=run.pk)).job_id for run in runs] == [run.job_id for run in runs]


def test_of_two_who_find_a_run_without_a_job_one_queues_it() -> None:
    for _ in range(5):
        run = submit()
        damaged(run, "deleted")
        Run.objects.filter(pk=run.pk).update(updated_at=run.created_at - timedelta(minutes=5))
        assert sorted(at_once(*[Run.objects.recover] * 3)) == [0, 0, 1]
        assert ProcrastinateJob.objects.filter(args__run_id=str(run.pk)).count() == 1


def test_a_run_is_recovered_or_cancelled_in_turn() -> None:
    for first, second in ((0, 1), (1, 0)):
        run = submit()
        damaged(run, "deleted")
        Run.objects.filter(pk=run.pk).update(updated_at=run.created_at - timedelta(minutes=5))
        verbs = (Run.objects.recover, run.cancel)
        results = one_behind_another(verbs[first], verbs[second])
        assert results == ((1, True) if first == 0 else (True, 0))
        assert standing(run)[0] == "interrupted"
        assert not ProcrastinateJob.objects.filter(args__run_id=str(run.pk)).exists()


@pytest.mark.parametrize("status", ["idle", "interrupted", "error"])
async def test_a_thread_that_is_busy_without_a_run_is_freed(status: str) -> None:
    run = await executed("slow", input={"text": "0"})
    stuck = Thread.objects.filter(pk=run.thread_id)
    await stuck.aupdate(status="busy", settled_status=status)
    other = await asubmit("slow", input={"text": "0"})
    assert await arecover() == 1
    assert (await athread_of(run)).status == status
    assert (await athread_of(other)).status == "busy"


async def test_a_worker_recovers_by_itself(settings: Settings) -> None:
    run = await asubmit("slow", input={"text": "0"})
    await sync_to_async(damaged)(run, "deleted")
    await aged(run)
    await sync_to_async(execute_task)(tasks.recover)
    await work_off()
    assert (await Run.objects.aget(pk=run.pk)).status == "success"


# --- too many losses ---


@pytest.mark.parametrize(("lost", "status"), [(2, "success"), (3, "error"), (4, "error")])
async def test_a_run_that_was_lost_too_often_is_an_error(lost: int, status: str, settings: Settings) -> None:
    settings.SKEINO_MAX_ATTEMPTS = 3
    run = await asubmit("slow", input={"text": "0"})
    await Run.objects.filter(pk=run.pk).aupdate(lost=lost, attempt=lost)
    await work_off()
    run = await Run.objects.select_related("thread").aget(pk=run.pk)
    assert run.status == status
    if status == "error":
        message = f"{lost} workers were lost with this run."
        assert run.error == {"error": "WorkerLost", "message": message}
        assert run.thread.status == "error"
        assert await alog_of(run) == ["error", "end"]
        await aretry(run)
        await work_off()
        assert (await Run.objects.aget(pk=run.pk)).status == "success"


async def test_handing_back_is_no_loss(tmp_path: Path, settings: Settings) -> None:
    settings.SKEINO_MAX_ATTEMPTS = 1
    settings.SKEINO_WORKER_SHUTDOWN_SECONDS = 0.05
    with Folder(tmp_path) as folder:
        run = await asubmit("two_steps", input=folder.input)
        for times in (1, 2, 3):
            async with working():
                await folder.await_line("second", times=times)
        folder.open("gate")
        await work_off()
    assert await sync_to_async(standing)(run) == ("success", 4, 0)
    assert await RunEvent.objects.filter(run=run, event="metadata").acount() == 4
