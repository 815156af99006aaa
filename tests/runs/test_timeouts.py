"""Runs that take too long, by the setting or by their own wish."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from runs.models import Run, RunEvent
from tests.runs.engine import alog_of, asubmit, work_off
from tests.runs.told import Folder

pytestmark = pytest.mark.usefixtures("engine")


async def executed(folder: Folder, **body: Any) -> Run:
    run = await asubmit(**{"assistant_id": "three_steps", "input": folder.input, **body})
    await work_off()
    return await Run.objects.select_related("thread").aget(pk=run.pk)


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("by", ["setting", "body"])
async def test_a_run_that_takes_too_long_is_a_timeout(
    tmp_path: Path, settings: Settings, by: str, durability: str
) -> None:
    settings.SKEINO_RUN_TIMEOUT_SECONDS = 0.5 if by == "setting" else None
    body = {"timeout_seconds": 0.5} if by == "body" else {}
    with Folder(tmp_path) as folder:
        started = time.monotonic()
        run = await executed(folder, durability=durability, **body)
        assert 0.5 <= time.monotonic() - started < 3
    error = {"error": "TimeoutError", "message": "The run took longer than 0.5 seconds."}
    assert (run.status, run.error, run.attempt) == ("timeout", error, 1)
    assert (run.thread.status, run.thread.error, run.thread.values["done"]) == ("error", error, ["first"])
    assert folder.lines == ["first", "second"]
    assert (await alog_of(run))[-2:] == ["error", "end"]
    event = await RunEvent.objects.aget(run=run, event="error")
    assert json.loads(event.data) == error


@pytest.mark.parametrize(("setting", "wish"), [(0.3, 30.0), (30.0, 0.3)])
async def test_the_shorter_of_setting_and_wish_holds(
    tmp_path: Path, settings: Settings, setting: float, wish: float
) -> None:
    settings.SKEINO_RUN_TIMEOUT_SECONDS = setting
    with Folder(tmp_path) as folder:
        run = await executed(folder, timeout_seconds=wish)
    assert run.error["message"] == "The run took longer than 0.3 seconds."


async def test_what_was_reached_in_time_can_be_gone_on_from(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = await executed(folder, timeout_seconds=0.3)
        assert run.status == "timeout"
        folder.open("gate")
        again = await executed(folder, thread=run.thread, input=None)
    assert (again.status, again.thread.values["done"]) == ("success", ["first", "second", "third"])
    assert folder.lines == ["first", "second", "second", "third"]


async def test_a_run_in_time_is_none(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.open("gate")
        assert (await executed(folder, timeout_seconds=20)).status == "success"


async def test_the_next_run_of_the_thread_begins_after_a_timeout(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        first = await asubmit("three_steps", input=folder.input, timeout_seconds=0.3)
        second = await asubmit("slow", thread=first.thread, input={"text": "0"})
        await work_off()
    assert (await Run.objects.aget(pk=first.pk)).status == "timeout"
    second = await Run.objects.select_related("thread").aget(pk=second.pk)
    assert (second.status, second.thread.status, second.thread.error) == ("success", "idle", None)


async def test_building_the_graph_counts(settings: Settings) -> None:
    async def build() -> Any:
        await asyncio.sleep(20)

    settings.SKEINO_GRAPHS = {"slow_to_build": build}
    run = await asubmit("slow_to_build", input={}, timeout_seconds=0.3)
    await work_off()
    assert (await Run.objects.aget(pk=run.pk)).status == "timeout"
