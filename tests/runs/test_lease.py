"""Workers that were silent for too long: what they may not do any more, and what others do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import DEFAULT_DB_ALIAS
from procrastinate.contrib.django.utils import connector_params
from pytest_django import Settings

from runs import jobs
from runs.lease import Lease, LeasedControl
from runs.models import Run
from runs.worker import Worker
from tests.runs.engine import alog_of, asubmit, athread_of, ended, let_go, working
from tests.runs.told import Folder

LONG = {"recursion_limit": 1000}
HEARTBEAT = 1.5  # seconds: a sign of life every half second

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def frequent(settings: Settings) -> None:
    settings.SKEINO_HEARTBEAT_SECONDS = HEARTBEAT


def end(lease: Lease) -> None:
    """As if no heartbeat had been recorded for long."""
    lease.renew(Lease.now() - 3600)


@asynccontextmanager
async def silence(*workers: Worker) -> AsyncIterator[psycopg.AsyncConnection]:
    """None of their signs of life has been recorded for long, and none is before the end of the block."""
    long_ago = "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"
    async with await psycopg.AsyncConnection.connect(**connector_params(DEFAULT_DB_ALIAS)) as connection:
        await connection.execute(long_ago)
        await asyncio.sleep(0.1)  # for the answer to one that was recorded just before
        for worker in workers:
            end(worker.lease)
        yield connection


async def take_back(connection: psycopg.AsyncConnection) -> list[int]:
    """As another worker."""
    found = await connection.execute(jobs.TAKE_BACK, {"seconds": HEARTBEAT})
    return [job_id for (job_id,) in await found.fetchall()]


async def attempts(run: Run) -> tuple[str, int, int]:
    found = await Run.objects.aget(pk=run.pk)
    return found.status, found.attempt, found.lost


# --- the lease itself ---


@pytest.mark.parametrize(("silent", "is_over"), [(0, False), (9, False), (11, True)])
def test_a_lease_is_over_when_it_was_not_renewed_in_time(silent: float, is_over: bool) -> None:
    lease = Lease(10)
    lease.renew(Lease.now() - silent)
    assert lease.is_over is is_over
    assert LeasedControl(lease).drain_requested is is_over


def test_a_run_that_was_drained_stays_so_under_a_renewed_lease() -> None:
    lease = Lease(10)
    control = LeasedControl(lease)
    control.request_drain("stop")
    end(lease)
    lease.renew(Lease.now())
    assert (control.drain_requested, control.drain_reason) == (True, "stop")


# --- a worker without one ---


@pytest.mark.usefixtures("frequent")
@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_worker_without_a_lease_begins_no_node_and_hands_back(
    tmp_path: Path, durability: str
) -> None:
    with Folder(tmp_path) as folder:
        run = await asubmit("three_steps", input=folder.input, durability=durability)
        async with working() as worker:
            await folder.await_line("second")
            async with silence(worker):
                folder.open("gate")
                await let_go(run)
            await ended(run)
    # Its next heartbeat was recorded, nobody had missed it, and so it went on itself.
    assert await attempts(run) == ("success", 2, 0)
    assert folder.lines == ["first", "second", "third"]
    assert (await athread_of(run)).values["done"] == ["first", "second", "third"]


@pytest.mark.usefixtures("frequent")
async def test_a_worker_without_a_lease_takes_no_runs(tmp_path: Path) -> None:
    async with working() as worker:
        async with silence(worker):
            run = await asubmit("slow", input={"text": "0"})
            await asyncio.sleep(0.3)
            assert await attempts(run) == ("pending", 0, 0)
        await ended(run)
    assert await attempts(run) == ("success", 1, 0)


@pytest.mark.usefixtures("frequent")
async def test_a_worker_that_was_given_up_registers_again_and_lets_go(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = await asubmit("three_steps", input=folder.input, durability="sync")
        async with working() as worker:
            await folder.await_line("second")
            async with silence(worker) as connection:
                await connection.execute("DELETE FROM procrastinate_workers")
            await folder.await_line("second", times=2)  # in an attempt that came back to the same worker
            folder.open("gate")
            await ended(run)
    assert (await attempts(run))[::2] == ("success", 1)
    assert folder.lines == ["first", "second", "second", "third"]
    await alog_of(run)


@pytest.mark.usefixtures("frequent")
async def test_a_worker_that_was_silent_lets_go_of_what_others_took(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = await asubmit("three_steps", input=folder.input, durability="sync")
        async with working() as worker:
            await folder.await_line("second")
            async with silence(worker) as connection:
                assert run.job_id in await take_back(connection)
            await folder.await_line("second", times=2)
            folder.open("gate")
            await ended(run)
    assert (await attempts(run))[::2] == ("success", 1)
    assert folder.lines == ["first", "second", "second", "third"]
    await alog_of(run)


@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_run_that_was_taken_over_is_let_go_when_it_writes(tmp_path: Path, durability: str) -> None:
    """Though its worker has not been silent: the fence finds out."""
    with Folder(tmp_path) as folder:
        run = await asubmit(
            "many_steps", input=folder.input, durability=durability, config={"recursion_limit": 1000}
        )
        async with working():
            await folder.await_line("many", times=3)
            before = len(folder.lines)
            await Run.objects.filter(pk=run.pk).aupdate(attempt=2)
            await asyncio.sleep(0.5)
            assert len(folder.lines) < before + 10
    assert await attempts(run) == ("running", 2, 0)


async def test_a_worker_that_takes_its_own_run_over_lets_go_of_it(tmp_path: Path) -> None:
    """It had been given up, and has not yet noticed."""
    with Folder(tmp_path) as folder:
        run = await asubmit("three_steps", input=folder.input, durability="sync")
        async with working():
            await folder.await_line("second")
            async with silence() as connection:
                await take_back(connection)
            await folder.await_line("second", times=2)
            folder.open("gate")
            await ended(run)
    assert await attempts(run) == ("success", 2, 1)
    assert folder.lines == ["first", "second", "second", "third"]
    await alog_of(run)


@pytest.mark.usefixtures("frequent")
async def test_nothing_that_a_lost_attempt_still_does_counts(tmp_path: Path, settings: Settings) -> None:
    settings.SKEINO_CANCEL_SECONDS = 0.1
    with Folder(tmp_path) as folder:
        modes = ["custom", "updates"]
        run = await asubmit("stubborn", input=folder.input, stream_mode=modes, durability="sync")
        async with working() as worker:
            await folder.await_line("stubborn")
            async with silence(worker) as connection:
                await take_back(connection)
            await folder.await_line("ignored")
            await folder.await_line("stubborn", times=2)
            folder.open("gate")  # for both attempts at once
            await ended(run)
            await folder.await_line("late", times=2)
            await asyncio.sleep(0.2)
    assert (await attempts(run))[::2] == ("success", 1)
    assert folder.lines.count("third") == 1
    assert (await athread_of(run)).values["done"] == ["first", "late", "third"]
    assert (await alog_of(run)).count("custom") == 1


@pytest.mark.usefixtures("frequent")
async def test_a_worker_that_was_silent_waits_before_it_takes_others_for_lost(tmp_path: Path) -> None:
    """If the database was away, all were silent. The others are given as long as a heartbeat takes."""
    with Folder(tmp_path) as folder:
        run = await asubmit("two_steps", input=folder.input)
        async with working() as other:
            await folder.await_line("second")
            async with working() as worker:
                await asyncio.sleep(0.1)
                async with silence(other, worker):
                    pass
                while worker.lease.is_over or other.lease.is_over:
                    await asyncio.sleep(0.01)
                folder.open("gate")
                await ended(run)
    assert (await attempts(run))[::2] == ("success", 0)
