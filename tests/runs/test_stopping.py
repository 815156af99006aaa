"""Runs that execute and are cancelled: what their nodes notice, and what is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from pytest_django import Settings

from runs.execution import STOPPED
from runs.models import CANCELLED, Run
from tests.runs.engine import alog_of, asubmit, athread_of, ended, let_go, new_thread, work_off, working
from tests.runs.told import Folder
from threads import state
from threads.models import Thread

Action = Run.CancelAction

pytestmark = pytest.mark.usefixtures("engine")


@asynccontextmanager
async def executing(assistant_id: str, folder: Folder, *lines: str, **body: Any) -> AsyncIterator[Run]:
    """A run whose nodes have written these lines. A worker executes it until the end of the block."""
    run = await asubmit(assistant_id, **{"input": folder.input, **body})
    async with working():
        for line in lines:
            await folder.await_line(line)
        yield run


async def cancel(run: Run, action: Action = Action.INTERRUPT) -> None:
    assert await sync_to_async(run.cancel)(action)


async def fresh(run: Run) -> Run:
    return await Run.objects.select_related("thread").aget(pk=run.pk)


@sync_to_async
def next_nodes(run: Run) -> list[str]:
    return list(state.read(Thread.objects.get(pk=run.thread_id))["next"])


# --- interrupt ---


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("graph", ["three_steps", "nested_steps", "parallel_steps", "delta_steps"])
async def test_a_cancelled_run_ends_soon(tmp_path: Path, graph: str, durability: str) -> None:
    with Folder(tmp_path) as folder:
        async with executing(graph, folder, "second", durability=durability) as run:
            started = time.monotonic()
            await cancel(run)
            await ended(run)
            assert time.monotonic() - started < 5
        run = await fresh(run)
    assert (run.status, run.error) == ("interrupted", CANCELLED)
    assert (run.thread.status, run.thread.error) == ("interrupted", CANCELLED)
    assert "third" not in folder.lines
    assert "error" not in await alog_of(run)


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_what_was_finished_stays(tmp_path: Path, durability: str) -> None:
    with Folder(tmp_path) as folder:
        async with executing("three_steps", folder, "second", durability=durability) as run:
            await cancel(run)
            await ended(run)
        assert (await athread_of(run)).values["done"] == ["first"]
        assert await next_nodes(run) == ["second"]
        folder.open("gate")
        await asubmit("three_steps", thread=run.thread, input=None)
        await work_off()
    thread = await athread_of(run)
    assert (thread.status, thread.values["done"]) == ("idle", ["first", "second", "third"])
    assert folder.lines == ["first", "second", "second", "third"]


async def test_a_cancelled_node_may_tidy_up(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        async with executing("tidy", folder, "clean_up") as run:
            await cancel(run)
            await ended(run)
            assert folder.lines == ["first", "clean_up", "tidied"]


async def test_a_thread_whose_answer_was_cancelled_can_be_answered_again(tmp_path: Path) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        await asubmit("asking", thread=thread, input=folder.input)
        await work_off()
        answer = {"command": {"resume": "yes"}, "input": None}
        async with executing("asking", folder, "second", thread=thread, **answer) as run:
            await cancel(run)
            await ended(run)
        assert (await athread_of(run)).values["done"] == ["yes"]
        assert await next_nodes(run) == ["second"]


async def test_a_run_that_is_cancelled_before_it_has_begun_changes_nothing(tmp_path: Path) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        await asubmit("asking", thread=thread, input=folder.input)
        await work_off()
        before = await Thread.objects.values("status", "values", "interrupts", "error").aget(pk=thread.pk)
        run = await asubmit("asking", thread=thread, command={"resume": "yes"})
        # As if it had been claimed when it was cancelled.
        await Run.objects.filter(pk=run.pk).aupdate(cancel_action="interrupt")
        await work_off()
    assert (await fresh(run)).status == "interrupted"
    assert await Thread.objects.values("status", "values", "interrupts", "error").aget(pk=thread.pk) == before
    assert await alog_of(run) == ["end"]


async def test_a_run_that_is_cancelled_between_two_attempts_keeps_what_it_had(
    tmp_path: Path, settings: Settings
) -> None:
    settings.SKEINO_WORKER_SHUTDOWN_SECONDS = 0.05
    with Folder(tmp_path) as folder:
        async with executing("three_steps", folder, "second") as run:
            pass
        assert (await fresh(run)).status == "pending"
        await cancel(run)
        run = await fresh(run)
    assert (run.status, run.error) == ("interrupted", CANCELLED)
    assert (run.thread.status, run.thread.values["done"]) == ("interrupted", ["first"])
    assert (await alog_of(run))[-1] == "end"


async def test_a_run_whose_worker_was_lost_while_it_was_cancelled_ends(
    tmp_path: Path, settings: Settings
) -> None:
    settings.SKEINO_WORKER_SHUTDOWN_SECONDS = 0.05
    with Folder(tmp_path) as folder:
        async with executing("three_steps", folder, "second") as run:
            pass
        await Run.objects.filter(pk=run.pk).aupdate(cancel_action="interrupt")
        await work_off()
        run = await fresh(run)
    assert (run.status, run.attempt, run.error) == ("interrupted", 2, CANCELLED)
    assert (run.thread.status, run.thread.values["done"]) == ("interrupted", ["first"])
    assert folder.lines == ["first", "second"]


# --- drain ---


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("graph", ["three_steps", "nested_steps", "parallel_steps", "delta_steps"])
async def test_a_drained_run_finishes_its_step_and_begins_no_other(
    tmp_path: Path, graph: str, durability: str
) -> None:
    with Folder(tmp_path) as folder:
        async with executing(graph, folder, "first", "second", durability=durability) as run:
            await cancel(run, Action.DRAIN)
            await asyncio.sleep(0.1)
            assert (await fresh(run)).status == "running"
            folder.open("gate")
            await ended(run)
        run = await fresh(run)
        assert (run.status, run.error, run.attempt) == ("interrupted", STOPPED, 1)
        assert run.thread.status == "interrupted"
        assert "third" not in folder.lines
        if graph != "nested_steps":  # there it is the subgraph's state that has the step
            assert sorted(run.thread.values["done"]) == ["first", "second"]
            assert await next_nodes(run) == ["third"]
        assert "error" not in await alog_of(run)
        await asubmit(graph, thread=run.thread, input=None)
        await work_off()
    thread = await athread_of(run)
    done = {"first", "second", "third"} | ({"after"} if graph == "nested_steps" else set())
    assert thread.status == "idle"
    assert set(thread.values["done"]) == done
    # LangGraph saves no subgraph's steps where the run is only to be saved at its exit.
    begun_anew = 2 if (graph, durability) == ("nested_steps", "exit") else 0
    assert len(folder.lines) == len(done) + begun_anew


async def test_a_drained_run_that_has_only_its_last_step_left_succeeds(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        async with executing("two_steps", folder, "second") as run:
            await cancel(run, Action.DRAIN)
            folder.open("gate")
            await ended(run)
    assert (await athread_of(run)).status == "idle"


async def test_a_step_that_fails_while_its_run_is_drained_has_failed(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        async with executing("failing_late", folder, "fail_late") as run:
            await cancel(run, Action.DRAIN)
            folder.open("gate")
            await ended(run)
    run = await fresh(run)
    assert (run.status, run.error) == ("error", {"error": "ValueError", "message": "too late"})


async def test_a_run_that_is_being_drained_can_be_interrupted(tmp_path: Path) -> None:
    """The second request changes nothing that is notified: the worker's poll hears of it."""
    with Folder(tmp_path) as folder:
        async with executing("three_steps", folder, "second") as run:
            await cancel(run, Action.DRAIN)
            await asyncio.sleep(0.2)  # for the worker to have heard of the first
            await cancel(run)
            await ended(run, seconds=3)
    run = await fresh(run)
    assert (run.status, run.error) == ("interrupted", CANCELLED)


async def test_a_run_that_is_being_drained_can_be_rolled_back(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        async with executing("three_steps", folder, "second") as run:
            await cancel(run, Action.DRAIN)
            await asyncio.sleep(0.2)
            await cancel(run, Action.ROLLBACK)
            await let_go(run, seconds=3)
    assert folder.lines == ["first", "second"]


async def test_a_run_is_cancelled_though_no_notification_comes(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        async with executing("three_steps", folder, "second") as run:
            await sync_to_async(set_quietly)(run)
            await ended(run, seconds=3)
    assert (await fresh(run)).status == "interrupted"


def set_quietly(run: Run) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE procrastinate_jobs DISABLE TRIGGER USER")
        cursor.execute("UPDATE runs_run SET cancel_action = 'interrupt' WHERE id = %s", [run.pk])
        cursor.execute("UPDATE procrastinate_jobs SET abort_requested = true WHERE id = %s", [run.job_id])
        cursor.execute("ALTER TABLE procrastinate_jobs ENABLE TRIGGER USER")


# --- nodes that do not let themselves be cancelled ---


async def test_a_synchronous_node_is_told_and_not_waited_for(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        async with executing("listening", folder, "listen") as run:
            await cancel(run)
            await ended(run, seconds=2)
            await folder.await_line("told interrupt")
    assert (await fresh(run)).status == "interrupted"


async def test_a_synchronous_node_that_is_drained_can_save_what_it_has(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        async with executing("listening", folder, "listen") as run:
            await cancel(run, Action.DRAIN)
            await ended(run)
    assert folder.lines == ["listen", "told drain"]
    assert (await athread_of(run)).values["done"] == ["told"]


async def test_a_synchronous_node_that_listens_to_nobody_does_not_keep_its_run(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        async with executing("sleeping", folder, "sleep") as run:
            await cancel(run)
            await ended(run, seconds=2)
            folder.open("gate")
            await folder.await_line("awake")
    run = await fresh(run)
    assert (run.status, run.thread.values["done"]) == ("interrupted", ["first"])


@pytest.mark.parametrize("how", ["cancel", "timeout"])
async def test_a_node_that_ignores_its_cancellation_is_left_alone(
    tmp_path: Path, settings: Settings, how: str
) -> None:
    settings.SKEINO_CANCEL_SECONDS = 0.2
    body = {"timeout_seconds": 0.5} if how == "timeout" else {}
    with Folder(tmp_path) as folder:
        modes = ["custom", "updates"]
        async with executing("stubborn", folder, "stubborn", stream_mode=modes, **body) as run:
            if how == "cancel":
                await cancel(run)
            await ended(run, seconds=3)
            assert "ignored" in folder.lines
            log, left = await alog_of(run), await contents(run)
            folder.open("gate")
            await folder.await_line("late")
            await asyncio.sleep(0.3)  # for what it writes then
            assert (await alog_of(run), await contents(run)) == (log, left)
    assert "third" not in folder.lines
    run = await fresh(run)
    assert run.status == ("timeout" if how == "timeout" else "interrupted")
    assert run.thread.values["done"] == ["first"]


@sync_to_async
def contents(run: Run) -> dict[str, Any]:
    """The thread's state, and how many rows there are of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM checkpoints), (SELECT count(*) FROM checkpoint_blobs)")
        rows = cursor.fetchone()
    return {"rows": rows, **state.read(Thread.objects.get(pk=run.thread_id))}


async def test_a_graph_that_cancels_itself_has_failed(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = await asubmit("self_cancelling", input=folder.input)
        await work_off()
    run = await fresh(run)
    assert (run.status, run.attempt) == ("error", 1)
    assert "ancelled" in run.error["error"]
    assert run.thread.values["done"] == ["first"]
    assert (await alog_of(run))[-2:] == ["error", "end"]
