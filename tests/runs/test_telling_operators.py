"""What real runs leave for operators to look at: times of nodes, tracebacks."""

from __future__ import annotations

import uuid
from typing import Any, cast

import pytest
from asgiref.sync import sync_to_async

from runs.admin import waterfall
from runs.execution import MAX_TRACEBACK, Execution
from runs.models import Run
from runs.serializers import RunSerializer
from tests.runs.engine import aclaimed, afinish, asubmit, work_off

# Times of nodes


@pytest.mark.parametrize("mode", ["tasks", "debug"])
async def test_the_log_of_a_real_run_is_understood(engine: None, mode: str) -> None:
    """LangGraph's events begin with what names their task."""
    run = await asubmit("sub", input={"text": "x"}, stream_mode=[mode], stream_subgraphs=True)
    await work_off()
    found = await _of(run.pk)
    assert found.source == waterfall.LOG
    assert {(bar.name, bar.depth) for bar in found.bars} >= {("child", 0), ("inner", 1), ("after", 0)}
    assert all(bar.ended and not bar.failed for bar in found.bars)


async def test_without_tasks_in_the_log_supersteps_are_shown(engine: None) -> None:
    run = await asubmit("sub", input={"text": "x"})
    await work_off()
    found = await _of(run.pk)
    assert found.source == waterfall.CHECKPOINTS
    assert [bar.name for bar in found.bars] == ["child", "after"]
    assert all(bar.ended and bar.ended >= bar.begun for bar in found.bars)
    assert found.bars[0].ended == found.bars[1].begun


async def test_a_run_that_failed_says_what_came_last(engine: None) -> None:
    run = await asubmit("fails", input={"text": "x"})
    await work_off()
    [bar] = (await _of(run.pk)).bars
    assert (bar.name, bar.failed) == ("after the last checkpoint", True)


async def _of(run_id: uuid.UUID) -> waterfall.Waterfall:
    return await sync_to_async(lambda: waterfall.of(Run.objects.select_related("thread").get(pk=run_id)))()


# Tracebacks


async def test_the_traceback_of_an_error_is_kept_for_operators_alone(engine: None) -> None:
    run = await asubmit("fails", input={"text": "x"})
    await work_off()
    failed = await Run.objects.aget(pk=run.pk)
    assert "raise_error" in failed.traceback
    assert "ValueError: boom: x" in failed.traceback
    assert len(failed.traceback) <= MAX_TRACEBACK
    assert "raise_error" not in str(RunSerializer(failed).data)


async def test_a_traceback_with_characters_that_postgres_refuses_is_kept(engine: None) -> None:
    execution = Execution(await aclaimed("echo"), cast(Any, None), cast(Any, None))
    end = execution._raised(ValueError("odd: \0\ud800"))
    await afinish(execution.run, *end, seq=1, traceback=execution.traceback)
    assert "odd: \ufffd?" in (await Run.objects.aget(pk=execution.run.pk)).traceback


async def test_a_large_traceback_is_cut_to_its_end(engine: None) -> None:
    run = await asubmit("fails", input={"text": "x" * 2 * MAX_TRACEBACK})
    await work_off()
    assert len((await Run.objects.aget(pk=run.pk)).traceback) == MAX_TRACEBACK


async def test_a_run_that_is_tried_again_has_none_until_it_fails(engine: None) -> None:
    run = await asubmit("fails", input={"text": "x"})
    await work_off()
    await sync_to_async(run.retry)()
    assert (await Run.objects.aget(pk=run.pk)).traceback == ""
    await work_off()
    assert "ValueError" in (await Run.objects.aget(pk=run.pk)).traceback
