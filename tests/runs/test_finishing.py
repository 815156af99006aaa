"""What must not be left half done when a worker stops in the middle of it."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from django.db import DEFAULT_DB_ALIAS
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.contrib.django.utils import connector_params
from pytest_django import Settings

from runs.finishing import to_the_end
from runs.models import Run
from tests.runs.engine import asubmit, working

PATIENCE = 10.0  # seconds
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"


async def test_who_cancels_work_that_is_to_end_comes_too_late() -> None:
    async def work() -> str:
        await asyncio.sleep(0.05)
        return "done"

    task = asyncio.create_task(to_the_end(work()))
    for _ in range(2):
        await asyncio.sleep(0.01)
        task.cancel()
    assert await task == "done"


async def test_what_the_work_raises_is_raised() -> None:
    async def fail() -> None:
        await asyncio.sleep(0.01)
        raise LookupError

    with pytest.raises(LookupError):
        await to_the_end(fail())


async def test_work_that_cancels_itself_is_cancelled() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await to_the_end(give_up())


@pytest.mark.usefixtures("engine")
async def test_a_run_that_is_ending_when_its_worker_stops_has_ended(settings: Settings) -> None:
    settings.SKEINO_WORKER_SHUTDOWN_SECONDS = 0.05
    run = await asubmit("slow", input={"text": "0"})
    async with await psycopg.AsyncConnection.connect(**connector_params(DEFAULT_DB_ALIAS)) as locking:
        await locking.execute("SELECT id FROM threads_thread WHERE id = %s FOR UPDATE", [run.thread_id])

        async def let_go_later() -> None:
            await asyncio.sleep(0.5)
            await locking.rollback()

        async with working():
            async with asyncio.timeout(PATIENCE):
                while await (await locking.execute(WAITING)).fetchone() == (0,):
                    await asyncio.sleep(0.01)
            letting_go = asyncio.create_task(let_go_later())
        await letting_go
    assert [(run.status, run.attempt) async for run in Run.objects.all()] == [("success", 1)]
    assert not await ProcrastinateJob.objects.aexists()
