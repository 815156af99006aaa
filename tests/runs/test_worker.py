from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from runs import jobs, statements, worker
from runs.models import Run
from runs.statements import Statement
from tests.graphs import factories
from tests.runs.api import human
from tests.runs.engine import asubmit, ended, new_thread, submit, work_off, work_off_by, working
from tests.runs.processes import IMPATIENT, worker_process
from tests.runs.told import Folder
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("engine")


@sync_to_async
def open_connections() -> int:
    """How many connections to the test database there are, in any process."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


async def statuses() -> Counter[str]:
    return Counter([status async for status in Run.objects.values_list("status", flat=True)])


# --- order ---


async def test_a_threads_runs_never_overlap_and_keep_their_order(tmp_path: Path) -> None:
    def submit_all() -> None:
        threads = [new_thread() for _ in range(3)]
        for number in range(4):
            for name, thread in zip("abc", threads, strict=True):
                submit("meeting", thread=thread, input={"folder": str(tmp_path), "name": f"{name}{number}"})

    await sync_to_async(submit_all)()
    await work_off()
    lines = Folder(tmp_path).lines
    for name in "abc":
        expected = [line for number in range(4) for line in (f"begin {name}{number}", f"end {name}{number}")]
        assert [line for line in lines if line.split()[1].startswith(name)] == expected


async def test_runs_of_different_threads_go_on_at_the_same_time(tmp_path: Path) -> None:
    names = [f"run{number}" for number in range(10)]
    for name in names:
        await asubmit("meeting", input={"folder": str(tmp_path), "name": name, "waits_for": names})
    await work_off()
    assert await statuses() == {"success": 10}


async def test_no_more_runs_than_the_concurrency_go_on_at_a_time(tmp_path: Path, settings: Settings) -> None:
    settings.SKEINO_WORKER_CONCURRENCY = 2
    for pair in ("ab", "cd", "ef"):
        for name in pair:
            await asubmit("meeting", input={"folder": str(tmp_path), "name": name, "waits_for": list(pair)})
    await work_off()
    going = highest = 0
    for line in Folder(tmp_path).lines:
        going += 1 if line.startswith("begin") else -1
        highest = max(highest, going)
    assert highest == 2


async def test_a_finished_job_leaves_the_queue() -> None:
    await asubmit("echo", input=human("hi"))
    await asubmit("fails", input={"text": "x"})
    await work_off()
    assert await statuses() == {"success": 1, "error": 1}
    assert not await ProcrastinateJob.objects.filter(task_name=jobs.EXECUTE).aexists()


# --- connections ---


async def test_nodes_that_use_the_orm_leave_no_connection_behind(settings: Settings) -> None:
    settings.SKEINO_WORKER_POOL_SIZE = 2
    before = await open_connections()
    async with worker.opened() as opened:
        for _ in range(50):
            await asubmit("users", input={})
        await work_off_by(opened)
        # The worker's own: pool, queue's listener, writer, four threads for verbs, one for async nodes.
        async with asyncio.timeout(5):  # the server notices a little later that one was closed
            while await open_connections() > before + 2 + 1 + 1 + 4 + 1:
                await asyncio.sleep(0.01)
    assert await statuses() == {"success": 50}


async def test_a_worker_that_ends_closes_its_connections() -> None:
    before = await open_connections()
    await asubmit("users", input={})
    await work_off()
    async with asyncio.timeout(5):  # the server notices a little later
        while await open_connections() > before:
            await asyncio.sleep(0.01)


# --- queue ---


async def test_a_run_submitted_in_a_worker_process_is_submitted_whole_or_not_at_all() -> None:
    def submit_in_vain() -> None:
        with transaction.atomic():
            submit()
            raise LookupError

    async with worker.opened():
        with pytest.raises(LookupError):
            await sync_to_async(submit_in_vain)()
    assert not await ProcrastinateJob.objects.aexists()


@pytest.fixture
def unreachable_once(monkeypatch: pytest.MonkeyPatch, written_first: bool) -> Iterator[None]:
    """The database has no answer to a worker's first statement. It may have executed it."""
    transact, failures = statements.transact, iter([psycopg.OperationalError("the connection is lost")])

    async def fail_once(pool: Any, found: list[Statement]) -> Any:
        for failure in failures:
            if written_first:
                await transact(pool, found)
            raise failure
        return await transact(pool, found)

    monkeypatch.setattr(statements, "transact", fail_once)
    yield
    assert next(failures, None) is None


@pytest.mark.parametrize("written_first", [False, True])
@pytest.mark.usefixtures("unreachable_once")
async def test_an_end_that_cannot_be_written_is_written_again() -> None:
    await asubmit("echo", input=human("hi"))
    await work_off()
    assert await statuses() == {"success": 1}


@pytest.mark.parametrize("written_first", [False, True])
@pytest.mark.usefixtures("unreachable_once")
async def test_a_claim_that_cannot_be_written_is_undone() -> None:
    run = await asubmit("echo", input=human("hi"))
    async with worker.opened() as opened:
        with pytest.raises(psycopg.OperationalError):
            await opened.execute(run.pk)
        assert await statuses() == {"pending": 1}
        assert await opened.execute(run.pk) == "idle"
    assert await statuses() == {"success": 1}


async def test_a_run_whose_result_cannot_be_stored_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by a second try: it would be tried for ever."""
    transact = statements.transact

    async def refuse(pool: Any, found: list[Statement]) -> Any:
        if "values" in found[-1].parameters and found[-1].parameters["values"] is not None:
            raise psycopg.errors.ProgramLimitExceeded("too large")
        return await transact(pool, found)

    monkeypatch.setattr(statements, "transact", refuse)
    await asubmit("echo", input=human("hi"))
    await work_off()
    run = await Run.objects.select_related("thread").aget()
    assert (run.status, run.error) == ("error", {"error": "ProgramLimitExceeded", "message": "too large"})
    assert run.thread.status == "error"


async def test_a_scheduled_run_begins_though_all_threads_are_taken_by_nodes(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        for _ in range(40):
            await asubmit("sleeping", input=folder.input)
        async with working():
            await folder.await_line("sleep", times=32)
            await ended(await asubmit("slow", input={"text": "0"}, after_seconds=0.1))
            assert "awake" not in folder.lines
            folder.open("gate")
            await folder.await_line("awake", times=40)


# --- graphs ---


async def test_a_factory_is_called_with_the_runs_config() -> None:
    for greeting in ("hi", "hey"):
        await asubmit("factory", input={"text": "Ann"}, config={"configurable": {"greeting": greeting}})
    await work_off()
    logs = [thread.values["log"] async for thread in Thread.objects.order_by("created_at")]
    assert logs == [["hi Ann"], ["hey Ann"]]


async def test_a_factory_may_be_asynchronous() -> None:
    run = await asubmit("async_factory", input={"text": "x"})
    await work_off()
    thread = await Thread.objects.aget(pk=run.thread_id)
    assert thread.values["log"] == ["made asynchronously"]


async def test_a_factory_is_called_once_for_each_run(settings: Settings) -> None:
    calls = []

    def counted() -> Any:
        calls.append(1)
        return factories.with_config({"configurable": {}})

    settings.SKEINO_GRAPHS = {"counted": counted}
    for _ in range(3):
        await asubmit("counted", input={"text": "x"})
    await work_off()
    assert len(calls) == 3


# --- deletion ---


async def test_a_thread_deleted_while_its_run_goes_on_leaves_nothing(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = await asubmit("two_steps", input=folder.input)
        async with working():
            await folder.await_line("second")
            await sync_to_async(Thread.objects.filter(pk=run.thread_id).delete)()
            folder.open("gate")
    assert await checkpoint_count() == 0
    assert not await Run.objects.aexists()


@sync_to_async
def checkpoint_count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM checkpoints")
        return int(cursor.fetchone()[0])


# --- processes ---


@pytest.fixture
def pytests_backend(engine_db: None) -> int:
    """The process id, in Postgres, of the connection that the database is emptied by."""
    connection.ensure_connection()
    return int(connection.connection.info.backend_pid)


def terminate_all(*, but: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid NOT IN (pg_backend_pid(), %s)",
            [but],
        )


async def test_a_signal_hands_a_run_back_and_another_worker_finishes_it(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = await asubmit("two_steps", input=folder.input)
        with worker_process() as first:
            await folder.await_line("second")
            first.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(first.wait, 20) == 0
        assert [(run.status, run.attempt) async for run in Run.objects.all()] == [("pending", 1)]
        with worker_process():
            folder.open("gate")
            await ended(run)
    assert [(run.status, run.attempt) async for run in Run.objects.all()] == [("success", 2)]
    assert folder.lines == ["first", "second", "second"]


async def test_a_stopping_worker_lets_a_short_run_end(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        await asubmit("two_steps", input=folder.input)
        with worker_process() as process:
            await folder.await_line("second")
            process.send_signal(signal.SIGTERM)
            folder.open("gate")
            started = time.monotonic()
            assert await asyncio.to_thread(process.wait, 20) == 0
    assert time.monotonic() - started < 8
    assert [(run.status, run.attempt) async for run in Run.objects.all()] == [("success", 1)]


async def test_a_killed_workers_run_is_finished_by_another(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = await asubmit("two_steps", input=folder.input, durability="sync")
        with worker_process(**IMPATIENT) as first:
            await folder.await_line("second")
            first.kill()
        with worker_process(**IMPATIENT):
            await folder.await_line("second", times=2)
            folder.open("gate")
            await ended(run)
    assert [(run.status, run.attempt) async for run in Run.objects.all()] == [("success", 2)]
    assert folder.lines == ["first", "second", "second"]


async def test_an_idle_worker_survives_the_loss_of_its_connections(pytests_backend: int) -> None:
    with worker_process():
        await ended(await asubmit("users", input={}))
        await sync_to_async(terminate_all)(but=pytests_backend)
        await ended(await asubmit("users", input={}), seconds=10)
    assert await statuses() == {"success": 2}


async def test_a_run_goes_on_through_the_loss_of_its_workers_connections(
    tmp_path: Path, pytests_backend: int
) -> None:
    """In the same attempt, though its step takes longer than a worker that stops would wait for it."""
    with Folder(tmp_path) as folder, worker_process(**IMPATIENT):
        run = await asubmit("three_steps", input=folder.input)
        await folder.await_line("second")
        await sync_to_async(terminate_all)(but=pytests_backend)
        await asyncio.sleep(2)
        folder.open("gate")
        await ended(run)
    found = await Run.objects.select_related("thread").aget(pk=run.pk)
    assert (found.status, found.attempt, found.lost) == ("success", 1, 0)
    assert folder.lines == ["first", "second", "third"]


async def test_a_node_that_keeps_the_orms_thread_holds_up_no_other_run(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder, worker_process(**IMPATIENT):
        await asubmit("blocking", input=folder.input)
        await folder.await_line("sleep")
        await ended(await asubmit("slow", input={"text": "0"}))
        assert "awake" not in folder.lines
