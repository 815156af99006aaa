"""The queue's rows: who may end a job, and what becomes of those of lost workers."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException
from procrastinate.psycopg_connector import PsycopgConnector
from pytest_django import Settings

from assistants.database import execute
from runs import jobs, statements
from runs.models import Run
from runs.querysets import RECOVERY_AGE
from tests.runs.engine import aclaim, asubmit, at_once, claim, ended, submit, working
from tests.runs.told import Folder

pytestmark = pytest.mark.usefixtures("engine_db")

SILENCE = 30.0


def query(statement: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def worker(*, silent: float = 0) -> int:
    """The id of a worker that has been silent for so many seconds."""
    [[worker_id]] = query(
        "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s))"
        " RETURNING id",
        silent,
    )
    return int(worker_id)


def taken_by(worker_id: int | None, run: Run | None = None, *, is_claimed: bool = True) -> Run:
    """A run whose job that worker has; None is a worker that is registered no more."""
    run = run or submit()
    query(
        "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE id = %s", worker_id, run.job_id
    )
    if is_claimed:
        claim(run.pk)
    return run


def job(run: Run) -> tuple[str, int | None, bool, int]:
    found = ProcrastinateJob.objects.get(pk=run.job_id)
    return found.status, found.worker_id, found.abort_requested, found.attempts


def standing(run: Run) -> tuple[str, int]:
    return Run.objects.values_list("status", "lost").get(pk=run.pk)


# --- taking back ---


def test_the_jobs_of_silent_and_of_unknown_workers_are_taken_back() -> None:
    runs = [taken_by(worker(silent=SILENCE + 1)), taken_by(None)]
    assert jobs.take_back(SILENCE) == [run.job_id for run in runs]
    for run in runs:
        assert job(run) == ("todo", None, False, 1)
        assert standing(run) == ("pending", 1)


def test_the_jobs_of_living_workers_are_left_alone() -> None:
    run = taken_by(worker(silent=SILENCE - 5))
    assert jobs.take_back(SILENCE) == []
    assert (job(run)[0], standing(run)) == ("doing", ("running", 0))


def test_a_run_that_was_not_yet_claimed_was_not_lost() -> None:
    run = taken_by(None, is_claimed=False)
    assert jobs.take_back(SILENCE) == [run.job_id]
    assert standing(run) == ("pending", 0)


def test_a_run_that_had_ended_stays_so() -> None:
    run = taken_by(None)
    Run.objects.update(status=Run.Status.SUCCESS)
    assert jobs.take_back(SILENCE) == [run.job_id]
    assert standing(run) == ("success", 0)
    assert claim(run.pk) is None


def test_a_request_to_abort_goes_with_the_worker_and_stays_with_the_run() -> None:
    run = taken_by(None)
    run.cancel()
    assert job(run)[2]
    jobs.take_back(SILENCE)
    assert job(run) == ("todo", None, False, 1)
    assert Run.objects.get(pk=run.pk).cancel_action == "interrupt"


def test_a_job_that_was_taken_back_is_first_in_its_line() -> None:
    first = taken_by(None)
    second = submit(thread=first.thread)
    jobs.take_back(SILENCE)
    [[fetched]] = query("SELECT id FROM procrastinate_fetch_job_v2(NULL, %s)", worker())
    assert fetched == first.job_id < second.job_id


def test_a_silent_worker_goes_when_its_jobs_have_been_taken_back() -> None:
    silent, living = worker(silent=SILENCE + 1), worker()
    taken_by(silent)
    jobs.take_back(SILENCE)
    jobs.take_back(SILENCE)
    assert query("SELECT id FROM procrastinate_workers") == [(living,)]


def test_of_many_who_find_a_job_lost_one_takes_it_back() -> None:
    for _ in range(5):
        runs = [taken_by(worker(silent=3600)) for _ in range(4)]
        results = at_once(*[partial(jobs.take_back, SILENCE)] * 4)
        assert sorted(chain(*results)) == [run.job_id for run in runs]
        assert [standing(run) for run in runs] == [("pending", 1)] * 4
        query("DELETE FROM procrastinate_jobs")


def periodic(status: str, worker_id: int | None = None) -> int:
    [[job_id]] = query(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, status, worker_id)"
        " VALUES ('default', 'runs.recover', 'runs.recover', %s, %s) RETURNING id",
        status,
        worker_id,
    )
    return int(job_id)


@pytest.mark.parametrize("waiting", [True, False])
def test_a_periodic_job_that_was_lost_does_not_hold_up_the_runs(waiting: bool) -> None:
    """Of its kind only one may wait: the next one does, or another that was lost."""
    lost = [periodic("doing"), periodic("doing")]
    if waiting:
        lost.append(periodic("todo"))
    run = taken_by(None)
    assert set(jobs.take_back(SILENCE)) == {*lost[:2], run.job_id}
    assert standing(run) == ("pending", 1)
    found = dict(ProcrastinateJob.objects.filter(pk__in=lost).values_list("pk", "status"))
    assert [found[job_id] for job_id in lost] == ["aborted"] * (len(lost) - 1) + ["todo"]


# --- fetching ---


def fetch(worker_id: int) -> list[dict[str, Any]]:
    return execute(*statements.fetch(worker_id))


def test_a_job_is_fetched_with_its_run() -> None:
    run, this = submit(), worker()
    [row] = fetch(this)
    assert (row["id"], row["worker_id"], row["thread_id"], row["attempt"]) == (
        run.job_id,
        this,
        run.thread_id,
        1,
    )
    assert (job(run)[:2], standing(run)) == (("doing", this), ("running", 0))
    assert fetch(this) == []


def test_a_job_is_fetched_though_its_run_cannot_be_claimed() -> None:
    """Its thread's other run has lost its job. Who executes this one finds that out."""
    first = taken_by(worker())
    second, this = submit(thread=first.thread), worker()
    query("DELETE FROM procrastinate_jobs WHERE id = %s", first.job_id)
    [row] = fetch(this)
    assert (row["id"], row["attempt"]) == (second.job_id, None)
    assert (job(second)[:2], standing(second)) == (("doing", this), ("pending", 0))


def test_what_a_worker_has_fetched_unheard_is_queued_again() -> None:
    this, other = worker(), worker()
    known, unheard, others = taken_by(this), taken_by(this), taken_by(other)
    given_back = execute(jobs.GIVE_BACK, {"worker": this, "kept": [known.job_id]})
    assert given_back == [{"id": unheard.job_id}]
    assert (job(unheard)[:2], standing(unheard)) == (("todo", None), ("pending", 0))
    assert [standing(run)[0] for run in (known, others)] == ["running", "running"]


@pytest.mark.usefixtures("engine")
async def test_a_worker_asks_again_for_what_it_has_fetched_unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lives on, so nobody takes its jobs back."""
    execute, failures = PsycopgConnector.execute_query_all_async, iter([1])

    async def fail_once(self: Any, query: str, **arguments: Any) -> Any:
        rows = await execute(self, query, **arguments)
        if "procrastinate_fetch_job" in query and rows:
            for _ in failures:
                raise ConnectorException from psycopg.OperationalError("the connection is lost")
        return rows

    monkeypatch.setattr(PsycopgConnector, "execute_query_all_async", fail_once)
    run = await asubmit("slow", input={"text": "0"})
    async with working():
        await ended(run, seconds=5)
    assert next(failures, None) is None
    assert [(run.status, run.attempt, run.lost) async for run in Run.objects.all()] == [("success", 2, 0)]


# --- stopping ---


def test_a_waiting_job_is_deleted_and_a_worker_is_told() -> None:
    waiting, working_on = submit(), taken_by(worker())
    jobs.stop(waiting.job_id)
    jobs.stop(working_on.job_id)
    jobs.stop(0)
    assert not ProcrastinateJob.objects.filter(pk=waiting.job_id).exists()
    assert job(working_on)[2]


# --- runs without a job ---


@pytest.mark.parametrize("ending", ["deleted", "failed", "aborted", "cancelled", "succeeded"])
def test_active_runs_whose_job_is_gone_or_has_ended_are_found(ending: str) -> None:
    run, other = taken_by(worker()), submit()
    if ending == "deleted":
        query("DELETE FROM procrastinate_jobs WHERE id = %s", run.job_id)
    else:
        query("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", ending, run.job_id)
    assert jobs.without_job(older_than=RECOVERY_AGE) == []
    assert not jobs.is_alive(run.job_id)
    Run.objects.update(updated_at=run.created_at - 2 * RECOVERY_AGE)
    assert jobs.without_job(older_than=RECOVERY_AGE) == [run.pk]
    assert jobs.is_alive(other.job_id)


# --- ending ---


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("node", ["second", "fails"])
async def test_a_worker_ends_no_job_that_another_has(tmp_path: Path, node: str) -> None:
    """It would let the thread's next run begin beside the other's."""
    graph = {"second": "two_steps", "fails": "failing_late"}[node]
    with Folder(tmp_path) as folder:
        run = await asubmit(graph, input=folder.input)
        async with working() as this:
            await folder.await_line("first")
            other = await sync_to_async(worker)()
            await sync_to_async(taken_by)(other, run, is_claimed=False)
            await Run.objects.aupdate(status=Run.Status.PENDING)
            await aclaim(run.pk)
            folder.open("gate")
            while this._executions:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            assert (await sync_to_async(job)(run))[:2] == ("doing", other)


@pytest.mark.usefixtures("engine")
async def test_a_job_is_ended_though_the_database_is_away_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody ended would hold up its thread as long as the worker lives."""
    first = await asubmit("slow", input={"text": "0"})
    execute, failures = PsycopgConnector.execute_query_all_async, iter([1])

    async def fail_once(self: Any, query: str, **arguments: Any) -> Any:
        if "DELETE FROM procrastinate_jobs" in query and arguments["job_id"] == first.job_id:
            for _ in failures:
                raise ConnectorException from psycopg.OperationalError("the connection is lost")
        return await execute(self, query, **arguments)

    monkeypatch.setattr(PsycopgConnector, "execute_query_all_async", fail_once)
    second = await asubmit("slow", thread=first.thread, input={"text": "0"})
    await sync_to_async(Run.objects.filter(pk=first.pk)._raw_delete)("default")
    async with working():
        await ended(second, seconds=5)
        assert next(failures, None) is None
    assert (await Run.objects.aget(pk=second.pk)).status == "success"


@pytest.mark.usefixtures("engine")
async def test_a_worker_goes_on_though_jobs_cannot_be_taken_back(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SKEINO_HEARTBEAT_SECONDS = 0.6
    monkeypatch.setattr(jobs, "TAKE_BACK", "SELECT 1 / (%(seconds)s::int * 0)")
    with Folder(tmp_path) as folder:
        run = await asubmit("two_steps", input=folder.input)
        async with working():
            await folder.await_line("second")
            await asyncio.sleep(0.6)
            folder.open("gate")
            await ended(run)
    assert [(run.status, run.attempt) async for run in Run.objects.all()] == [("success", 1)]
