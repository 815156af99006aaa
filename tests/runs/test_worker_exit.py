"""Worker processes that are asked to stop: they do, whatever their nodes and the database do."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from psycopg import sql

from runs.management.commands.worker import CLOSE_SECONDS
from runs.models import Run
from tests.runs import impatient_settings
from tests.runs.engine import asubmit, ended
from tests.runs.processes import IMPATIENT, WorkerProcess, worker_process
from tests.runs.told import Folder

# How long it takes to cancel what does not end by itself, and to hand it back.
LIMIT = impatient_settings.SKEINO_WORKER_SHUTDOWN_SECONDS + impatient_settings.SKEINO_CANCEL_SECONDS
SLACK = 5.0  # for a busy machine

pytestmark = pytest.mark.usefixtures("engine")


async def stopped(process: WorkerProcess) -> tuple[int, float]:
    """Its exit status, and how long it took to end."""
    started = time.monotonic()
    process.terminate()
    status = await asyncio.to_thread(process.wait, 30)
    return status, time.monotonic() - started


async def standing(run: Run) -> tuple[str, int, int]:
    found = await Run.objects.aget(pk=run.pk)
    return found.status, found.attempt, found.lost


async def test_an_idle_worker_ends_at_once(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder, worker_process(**IMPATIENT) as process:
        folder.open("gate")
        await ended(await asubmit("sleeping", input=folder.input))
        status, seconds = await stopped(process)
    assert (status, seconds < SLACK) == (0, True), seconds


async def test_a_synchronous_node_that_sleeps_does_not_keep_the_process(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder, worker_process(**IMPATIENT) as process:
        run = await asubmit("sleeping", input=folder.input)
        await folder.await_line("sleep")
        status, seconds = await stopped(process)
        assert "awake" not in folder.lines
    assert status == 0
    assert seconds < LIMIT + CLOSE_SECONDS + SLACK
    assert await standing(run) == ("pending", 1, 0)
    assert "go on all the same end with the process" in process.output


async def test_as_many_sleeping_nodes_as_there_are_threads_do_not_either(tmp_path: Path) -> None:
    """What closes the worker needs none of their threads."""
    with Folder(tmp_path) as folder, worker_process(**IMPATIENT) as process:
        runs = [await asubmit("sleeping", input=folder.input) for _ in range(40)]
        await folder.await_line("sleep", times=32)
        status, seconds = await stopped(process)
    assert status == 0
    assert seconds < LIMIT + CLOSE_SECONDS + SLACK
    assert {(await standing(run))[::2] for run in runs} == {("pending", 0)}


async def test_a_node_that_ignores_its_cancellation_does_not_keep_the_process(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder, worker_process(**IMPATIENT) as process:
        run = await asubmit("stubborn", input=folder.input)
        await folder.await_line("stubborn")
        status, seconds = await stopped(process)
    assert status == 0
    assert seconds < LIMIT + CLOSE_SECONDS + SLACK
    assert await standing(run) == ("pending", 1, 0)


async def test_a_run_is_cancelled_while_its_worker_stops(tmp_path: Path) -> None:
    patient = {"DJANGO_SETTINGS_MODULE": "skeino_site.settings"}
    with Folder(tmp_path) as folder, worker_process(**patient) as process:
        run = await asubmit("two_steps", input=folder.input)
        await folder.await_line("second")
        process.terminate()
        await asyncio.sleep(0.3)
        started = time.monotonic()
        await sync_to_async(run.cancel)()
        await ended(run)
        assert time.monotonic() - started < SLACK
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert await standing(run) == ("interrupted", 1, 0)


async def test_a_worker_that_takes_long_to_stop_is_not_taken_for_lost(tmp_path: Path) -> None:
    """It gives signs of life while it lets its runs' steps go on."""
    slow_to_stop = {"DJANGO_SETTINGS_MODULE": "tests.runs.slow_to_stop_settings"}
    with Folder(tmp_path) as folder, worker_process(**slow_to_stop) as process:
        run = await asubmit("three_steps", input=folder.input)
        await folder.await_line("second")
        process.terminate()
        with worker_process(**IMPATIENT):
            await asyncio.sleep(4)
            assert await standing(run) == ("running", 1, 0)
            folder.open("gate")
            await ended(run)
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert await standing(run) == ("success", 2, 0)
    assert folder.lines == ["first", "second", "third"]


@contextmanager
def database_away() -> Iterator[None]:
    """Close all other connections to the test database, and let nobody connect."""
    name = connection.settings_dict["NAME"]
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        try:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                " AND application_name = 'skeino worker to lose'",
                [name],
            )
            yield
        finally:
            server.execute(allow.format(sql.Identifier(name), sql.SQL("true")))


@pytest.mark.parametrize("is_executing", [True, False])
async def test_a_worker_ends_though_the_database_is_away(tmp_path: Path, is_executing: bool) -> None:
    losing = IMPATIENT | {"PGAPPNAME": "skeino worker to lose"}
    with Folder(tmp_path) as folder, worker_process(**losing) as process:
        run = await asubmit("three_steps", input=folder.input)
        if is_executing:
            await folder.await_line("second")
        else:
            folder.open("gate")
            await ended(run)
        with database_away():
            await asyncio.sleep(1.5)  # until it has noticed
            status, seconds = await stopped(process)
    assert seconds < LIMIT + CLOSE_SECONDS + SLACK
    if is_executing:
        assert status == 1
        assert await standing(run) == ("running", 1, 0)  # until others take it back
        with worker_process(**IMPATIENT):
            await folder.await_line("second", times=2)
            folder.open("gate")
            await ended(run)
        assert await standing(run) == ("success", 2, 1)


async def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder, worker_process() as process:
        await asubmit("two_steps", input=folder.input)
        await folder.await_line("second")
        process.terminate()
        await asyncio.sleep(0.3)
        status, seconds = await stopped(process)
    assert (status, seconds < SLACK) == (-signal.SIGTERM, True)
