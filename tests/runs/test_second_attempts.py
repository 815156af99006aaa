"""Runs whose worker was lost: where their next attempt begins, and what it does not do again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from pytest_django import Settings

from runs.models import Run
from tests.graphs.steps import three_steps
from tests.runs.engine import alog_of, asubmit, athread_of, new_thread, work_off, working
from tests.runs.told import Folder
from threads import state
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("engine")


@sync_to_async
def lose(run: Run) -> None:
    """As if the run's worker had been lost when all was written but its end."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM runs_runevent WHERE run_id = %s AND event IN ('error', 'end')", [run.pk])
        cursor.execute("UPDATE threads_thread SET status = 'busy' WHERE id = %s", [run.thread_id])
        cursor.execute("UPDATE runs_run SET status = 'pending', lost = 1 WHERE id = %s", [run.pk])
    Run.objects.enqueue(run.pk)


async def again(run: Run) -> Run:
    await lose(run)
    await work_off()
    return await Run.objects.select_related("thread").aget(pk=run.pk)


@sync_to_async
def forget(checkpoint: str) -> None:
    """As if those checkpoints had not been written, of which the condition holds."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM checkpoints WHERE {checkpoint}")


@sync_to_async
def shown(run: Run) -> dict[str, Any]:
    thread = Thread.objects.get(pk=run.thread_id)
    return {"status": thread.status, "interrupts": thread.interrupts, **state.read(thread)}


async def cut_off(run: Run, folder: Folder, settings: Settings, line: str = "second") -> None:
    """Execute the run until the line is in the log once more, and hand it back."""
    settings.SKEINO_WORKER_SHUTDOWN_SECONDS = 0.05
    times = folder.lines.count(line) + 1
    async with working():
        await folder.await_line(line, times=times)
    del settings.SKEINO_WORKER_SHUTDOWN_SECONDS
    assert (await Run.objects.aget(pk=run.pk)).status == "pending"


async def executed(folder: Folder, assistant_id: str = "three_steps", **body: Any) -> Run:
    run = await asubmit(assistant_id, **{"input": folder.input, **body})
    await work_off()
    return await Run.objects.aget(pk=run.pk)


BREAKPOINTS: list[dict[str, Any]] = [
    {"interrupt_before": ["second"]},
    {"interrupt_before": ["first"]},
    {"interrupt_before": "*"},
    {"interrupt_after": ["first"]},
    {"interrupt_after": ["second"]},
    {"interrupt_after": "*"},
    {"interrupt_before": ["third"], "interrupt_after": ["nobody"]},
]


@pytest.mark.parametrize("graph", ["three_steps", "parallel_steps"])
@pytest.mark.parametrize("where", BREAKPOINTS, ids=str)
async def test_a_breakpoint_at_which_the_run_was_lost_is_not_passed(
    tmp_path: Path, graph: str, where: dict[str, Any]
) -> None:
    with Folder(tmp_path) as folder:
        folder.open("gate")
        run = await executed(folder, graph, **where)
        before, lines = await shown(run), folder.lines
        assert (before["status"], "third" in lines) == ("interrupted", False)
        run = await again(run)
        assert (run.status, run.attempt) == ("success", 2)
        assert (await shown(run), folder.lines) == (before, lines)
        assert (await alog_of(run)).count("metadata") == 2


@pytest.mark.parametrize("where", BREAKPOINTS, ids=str)
async def test_a_run_that_was_lost_when_its_input_was_written_begins(
    tmp_path: Path, where: dict[str, Any]
) -> None:
    """Before the first node there is a step of LangGraph's own, at which no breakpoint stands."""
    with Folder(tmp_path) as folder:
        folder.open("gate")
        run = await executed(folder, **where)
        before, lines = await shown(run), folder.lines
        await forget("(metadata ->> 'step')::int >= 0")
        run = await again(run)
        after = await shown(run)
    assert (after["next"], after["values"]) == (before["next"], before["values"])
    assert folder.lines == lines * 2


async def test_breakpoints_of_the_graph_itself_are_not_passed_either(
    tmp_path: Path, settings: Settings
) -> None:
    graph = three_steps.copy()
    graph.interrupt_before_nodes = ["third"]
    settings.SKEINO_GRAPHS = {"stopping": graph}
    with Folder(tmp_path) as folder:
        folder.open("gate")
        run = await executed(folder, "stopping")
        before = await shown(run)
        run = await again(run)
        assert (await shown(run), folder.lines) == (before, ["first", "second"])


@pytest.mark.parametrize("where", [{"interrupt_before": ["second"]}, {"interrupt_before": "*"}], ids=str)
async def test_a_breakpoint_from_which_the_run_went_on_is_passed(
    tmp_path: Path, settings: Settings, where: dict[str, Any]
) -> None:
    with Folder(tmp_path) as folder:
        first = await executed(folder, interrupt_before=["second"])
        run = await asubmit("three_steps", thread=await athread_of(first), **where)
        await cut_off(run, folder, settings)
        folder.open("gate")
        await work_off()
        run = await Run.objects.aget(pk=run.pk)
        assert (run.status, run.attempt) == ("success", 2)
        assert folder.lines[:3] == ["first", "second", "second"]


@pytest.mark.parametrize(
    "where",
    [{"interrupt_before": ["second"]}, {"interrupt_after": ["first"]}, {"interrupt_after": "*"}],
    ids=str,
)
async def test_a_run_from_an_earlier_checkpoint_that_was_lost_at_once_goes_on(
    tmp_path: Path, settings: Settings, where: dict[str, Any]
) -> None:
    """Its first checkpoint is a fork of that one, and stands before the same node."""
    with Folder(tmp_path) as folder:
        folder.open("gate")
        first = await executed(folder)
        (tmp_path / "gate").unlink()
        (tmp_path / "log").unlink()
        thread = await athread_of(first)
        history = await sync_to_async(lambda: list(state.history(thread)))()
        [place] = [found["checkpoint"] for found in history if found["next"] == ["second"]]
        run = await asubmit("three_steps", thread=thread, checkpoint=place, **where)
        await cut_off(run, folder, settings)
        folder.open("gate")
        await work_off()
        run = await Run.objects.aget(pk=run.pk)
        assert (run.status, run.attempt) == ("success", 2)
        assert folder.lines[:2] == ["second", "second"]


@pytest.mark.parametrize("where", [{"interrupt_after": "*"}, {"interrupt_after": ["node"]}], ids=str)
async def test_an_input_in_place_of_an_answer_is_worked_on(
    tmp_path: Path, settings: Settings, where: dict[str, Any]
) -> None:
    """Lost just after its input was saved: the nodes that were next before it have not been executed."""
    with Folder(tmp_path) as folder:
        first = await executed(folder, "meeting", input={**folder.input, "name": "x"}, interrupt_before="*")
        waiting = {**folder.input, "name": "y", "waits_for": ["never"]}
        run = await asubmit("meeting", thread=await athread_of(first), input=waiting, **where)
        await cut_off(run, folder, settings, line="begin y")
        folder.open("never")
        await work_off()
    assert folder.lines == ["begin y", "begin y", "end y"]


async def test_an_answer_that_was_cut_off_is_given_again(tmp_path: Path, settings: Settings) -> None:
    with Folder(tmp_path) as folder:
        first = await executed(folder, "asking_first")
        run = await asubmit("asking_first", thread=await athread_of(first), command={"resume": "yes"})
        await cut_off(run, folder, settings, line="told yes")
        folder.open("gate")
        await work_off()
    assert (await athread_of(run)).values["done"] == ["yes", "third"]
    assert folder.lines == ["told yes", "told yes", "third"]


@pytest.mark.parametrize("graph", ["three_steps", "nested_steps", "parallel_steps", "delta_steps"])
@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_run_that_was_lost_after_its_last_node_ends_well(
    tmp_path: Path, graph: str, durability: str
) -> None:
    with Folder(tmp_path) as folder:
        folder.open("gate")
        run = await executed(folder, graph, durability=durability)
        before, lines = await shown(run), folder.lines
        run = await again(run)
        assert (run.status, run.attempt) == ("success", 2)
        assert (await shown(run), folder.lines) == (before, lines)
        assert run.thread.values["done"] == before["values"]["done"]
        await alog_of(run)


async def test_a_run_that_was_lost_at_an_interrupt_asks_again(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.open("gate")
        run = await executed(folder, "asking")
        before = await shown(run)
        run = await again(run)
        assert (run.status, run.attempt) == ("success", 2)
        after = await shown(run)
        assert after["status"] == "interrupted"
        assert (after["interrupts"], after["tasks"]) == (before["interrupts"], before["tasks"])
        await asubmit("asking", thread=run.thread, command={"resume": "yes"})
        await work_off()
    assert (await athread_of(run)).values["done"] == ["yes", "second", "third"]


@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("graph", ["three_steps", "nested_steps", "parallel_steps", "delta_steps"])
async def test_what_was_finished_is_not_done_again(
    tmp_path: Path, settings: Settings, graph: str, durability: str
) -> None:
    with Folder(tmp_path) as folder:
        run = await asubmit(graph, input=folder.input, durability=durability)
        await cut_off(run, folder, settings)
        await cut_off(run, folder, settings)
        folder.open("gate")
        await work_off()
    found = await Run.objects.select_related("thread").aget(pk=run.pk)
    assert (found.status, found.attempt) == ("success", 3)
    counts = Counter(folder.lines)
    assert counts.pop("second") == 3
    assert set(counts.values()) == {1}
    assert sorted(found.thread.values["done"]) == sorted({*counts, "second"})


@pytest.mark.parametrize("command", [{"update": {"done": ["edited"]}}, {"goto": "third"}], ids=str)
async def test_a_command_that_was_cut_off_is_carried_out_once(
    tmp_path: Path, settings: Settings, command: dict[str, Any]
) -> None:
    thread = await sync_to_async(new_thread)()
    with Folder(tmp_path) as folder:
        await asubmit("three_steps", thread=thread, input=folder.input, interrupt_before=["second"])
        await work_off()
        run = await asubmit("three_steps", thread=thread, command=command)
        await cut_off(run, folder, settings)
        folder.open("gate")
        await work_off()
    done = (await Thread.objects.aget(pk=thread.pk)).values["done"]
    assert Counter(done)["edited"] == ("update" in command)
    assert Counter(done)["second"] == 1
