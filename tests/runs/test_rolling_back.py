"""A run that is rolled back, or deleted while it is active, has never been."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from pytest_django import Settings

from runs.models import ROLLED_BACK, Run
from tests.graphs.plain import Text, one_node
from tests.runs.engine import asubmit, athread_of, ended, let_go, new_thread, work_off, working
from tests.runs.told import Folder
from threads import state
from threads.models import Thread

TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes", "runs_runevent", "runs_writebefore")

pytestmark = pytest.mark.usefixtures("engine")


@sync_to_async
def tables() -> dict[str, list[Any]]:
    """All that runs write, row by row. A bytea's rows may come in any order."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT t::text FROM {table} t ORDER BY 1")
            found[table] = cursor.fetchall()
    return found


def shown(thread: Thread) -> dict[str, Any]:
    """What clients see of the thread and its state, apart from times and the error."""
    columns = Thread.objects.values("status", "values", "interrupts", "state_updated_at").get(pk=thread.pk)
    return {**columns, "state": state.read(Thread.objects.get(pk=thread.pk))}


async def fresh(thread: Thread) -> Thread:
    return await Thread.objects.aget(pk=thread.pk)


ashown = sync_to_async(shown)
acancel = sync_to_async(Run.cancel)


async def roll_back(run: Run, *, delete: bool = False) -> None:
    if delete:
        await sync_to_async(run.delete)()
    else:
        assert await acancel(run, Run.CancelAction.ROLLBACK)


async def is_undone(folder: Folder, thread: Thread, *, line: str, delete: bool = False, **body: Any) -> None:
    """Execute a run on the thread until the line is in the log, roll it back, and compare."""
    before = await tables(), await ashown(thread)
    run = await asubmit(thread=thread, input=body.pop("input", folder.input), **body)
    async with working():
        await folder.await_line(line)
        await roll_back(run, delete=delete)
        assert (await tables(), await ashown(thread)) == before
        await let_go(run)
    await work_off()
    assert (await tables(), await ashown(thread)) == before
    assert (await athread_of(run)).error == ROLLED_BACK
    assert not await Run.objects.filter(pk=run.pk).aexists()


@pytest.mark.parametrize("delete", [False, True])
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("graph", ["three_steps", "nested_steps", "parallel_steps", "delta_steps"])
async def test_a_threads_first_run_leaves_nothing(
    tmp_path: Path, graph: str, durability: str, delete: bool
) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        await is_undone(
            folder, thread, line="second", delete=delete, assistant_id=graph, durability=durability
        )
    assert "third" not in folder.lines
    assert (await fresh(thread)).values is None


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("graph", ["three_steps", "nested_steps", "parallel_steps", "delta_steps"])
async def test_what_earlier_runs_have_left_stays(tmp_path: Path, graph: str, durability: str) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        folder.open("gate")
        await asubmit(graph, thread=thread, input=folder.input)
        await work_off()
        (tmp_path / "gate").unlink()
        (tmp_path / "log").unlink()
        await is_undone(folder, thread, line="second", assistant_id=graph, durability=durability)


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_an_interrupt_that_was_answered_waits_again(tmp_path: Path, durability: str) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        await asubmit("asking", thread=thread, input=folder.input)
        await work_off()
        answer: dict[str, Any] = {"command": {"resume": "no"}, "input": None}
        await is_undone(folder, thread, line="second", assistant_id="asking", durability=durability, **answer)
        waiting = await fresh(thread)
        assert (waiting.status, len(waiting.interrupts)) == ("interrupted", 1)
        folder.open("gate")
        await asubmit("asking", thread=thread, command={"resume": "yes"})
        await work_off()
    assert (await fresh(thread)).values["done"] == ["yes", "second", "third"]


async def test_an_interrupt_that_was_followed_by_another_waits_again(tmp_path: Path) -> None:
    """The run that answers the first has the node ask the second, in the first's place."""
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        folder.open("gate")
        await asubmit("asking_beside", thread=thread, input=folder.input)
        await work_off()
        (tmp_path / "gate").unlink()
        [[first]] = (await fresh(thread)).interrupts.values()
        assert first["value"] == "one?"
        before = await tables(), await ashown(thread)
        run = await asubmit("asking_beside", thread=thread, command={"resume": "1"})
        async with working():
            await ended(run)
        [[second]] = (await fresh(thread)).interrupts.values()
        assert second["value"] == "two?"
        # As if it had been rolled back a moment earlier.
        await Run.objects.filter(pk=run.pk).aupdate(status="running", finished_at=None)
        await Thread.objects.filter(pk=thread.pk).aupdate(
            interrupts=before[1]["interrupts"], status="busy", state_updated_at=before[1]["state_updated_at"]
        )
        await roll_back(await Run.objects.aget(pk=run.pk))
    assert (await tables(), await ashown(thread)) == before


async def test_a_run_that_went_on_from_a_breakpoint_is_undone(tmp_path: Path) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        await asubmit(
            "parallel_steps", thread=thread, input=folder.input, interrupt_before=["first", "second"]
        )
        await work_off()
        assert (await fresh(thread)).status == "interrupted"
        await is_undone(folder, thread, line="second", assistant_id="parallel_steps", input=None)
        assert (await fresh(thread)).status == "interrupted"
        folder.open("gate")
        await asubmit("parallel_steps", thread=thread, input=None)
        await work_off()
    assert folder.lines.count("first") == 2  # once for the run that was undone
    assert sorted((await fresh(thread)).values["done"]) == ["first", "second", "third"]


async def test_a_run_that_went_on_after_a_failure_is_undone(tmp_path: Path) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        await asubmit("failing_once", thread=thread, input=folder.input)
        await work_off()
        assert (await fresh(thread)).status == "error"
        folder.open("mended")
        await is_undone(folder, thread, line="second", assistant_id="failing_once", input=None)
        assert (await fresh(thread)).status == "error"
        folder.open("gate")
        await asubmit("failing_once", thread=thread, input=None)
        await work_off()
    assert folder.lines.count("fail_once") == 3
    assert (await fresh(thread)).values["done"] == ["first", "mended", "second"]


@pytest.mark.parametrize("command", [{"update": {"done": ["edited"]}}, {"goto": "second"}])
async def test_what_a_command_wrote_is_undone(tmp_path: Path, command: dict[str, Any]) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        await asubmit("three_steps", thread=thread, input=folder.input, interrupt_before=["second"])
        await work_off()
        await is_undone(
            folder, thread, line="second", assistant_id="three_steps", command=command, input=None
        )


async def test_a_run_from_an_earlier_checkpoint_is_undone(tmp_path: Path) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        folder.open("gate")
        await asubmit("three_steps", thread=thread, input=folder.input)
        await work_off()
        (tmp_path / "gate").unlink()
        (tmp_path / "log").unlink()
        history = await sync_to_async(lambda: list(state.history(Thread.objects.get(pk=thread.pk))))()
        [place] = [found["checkpoint"] for found in history if found["next"] == ["second"]]
        await is_undone(
            folder, thread, line="second", assistant_id="three_steps", checkpoint=place, input=None
        )


async def test_a_second_attempts_run_is_undone_with_what_the_first_left(
    tmp_path: Path, settings: Settings
) -> None:
    settings.SKEINO_WORKER_SHUTDOWN_SECONDS = 0.05
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        await asubmit("asking", thread=thread, input=folder.input)
        await work_off()
        before = await tables(), await ashown(thread)
        run = await asubmit("asking", thread=thread, command={"resume": "no"})
        async with working():
            await folder.await_line("second")
        assert (await Run.objects.aget(pk=run.pk)).status == "pending"
        async with working():
            await folder.await_line("second", times=2)
            await roll_back(run)
            await let_go(run)
    assert (await tables(), await ashown(thread)) == before


async def test_a_run_that_is_tried_again_is_undone_with_what_its_first_end_left(tmp_path: Path) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        folder.open("gate")
        await asubmit("three_steps", thread=thread, input=folder.input)
        await work_off()
        before = await tables(), await ashown(thread)
        run = await asubmit("failing_once", thread=thread, input=folder.input)
        await work_off()
        assert (await fresh(thread)).status == "error"
        await sync_to_async(run.retry)()
        await roll_back(run)
    after = await tables(), await ashown(thread)
    for found in (before, after):
        found[1].pop("state_updated_at")
    assert after == before


async def test_a_run_that_waits_behind_is_not_disturbed(tmp_path: Path) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        first = await asubmit("three_steps", thread=thread, input=folder.input)
        behind = await asubmit("slow", thread=thread, input={"text": "0"})
        async with working():
            await folder.await_line("second")
            await roll_back(first)
            assert (await fresh(thread)).status == "busy"
            await ended(behind)
    assert (await fresh(thread)).values == {"text": "0", "log": ["0 steps"]}


async def chatter(state: Text) -> Text:
    await asyncio.sleep(0)
    return {"log": ["x" * 1000]}


def chattering() -> Any:
    """Thirty steps, each over as soon as it is begun."""
    builder = one_node(Text, chatter)
    builder.add_conditional_edges("node", lambda state: "node" if len(state["log"]) < 300 else "__end__")
    return builder.compile()


@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_worker_in_the_middle_of_writing_leaves_no_orphan(
    settings: Settings, durability: str
) -> None:
    settings.SKEINO_GRAPHS = {"chattering": chattering()}
    before = await tables()
    async with working():
        for delay in (0.0, 0.01, 0.02, 0.05, 0.1) * 2:
            run = await asubmit(
                "chattering",
                input={"text": "x"},
                durability=durability,
                stream_mode=["updates", "debug"],
                config={"recursion_limit": 500},
            )
            async with asyncio.timeout(10):
                while (await Run.objects.aget(pk=run.pk)).status == "pending":
                    await asyncio.sleep(0.001)
            await asyncio.sleep(delay)
            await roll_back(run)
    assert await tables() == before
