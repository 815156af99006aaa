"""Workers that are killed, stopped for a while, and replaced."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable

from tests.faults.clients import submit_many
from tests.faults.cluster import Cluster, cluster
from tests.faults.verdict import ACTIVE, Verdict

Scale = Callable[[int, int], int]


async def kill_workers(found: Cluster, verdict: Verdict, seconds: Callable[[], float]) -> None:
    """Again and again until no run is active: kill one of the workers, and put another in its place."""
    while await asyncio.to_thread(verdict.one, ACTIVE):
        worker = random.choice(found.workers)
        worker.kill()
        await asyncio.to_thread(verdict.note_fault)
        worker.start()
        await asyncio.sleep(seconds())


async def test_killed_workers_lose_no_run(verdict: Verdict, figures: dict[str, int], scale: Scale) -> None:
    count = scale(30, 200)
    with cluster(verdict.url) as found:
        await found.ready()
        url = f"http://127.0.0.1:{found.webs[0].port}"
        await submit_many(url, count, verdict.book, seconds=scale(400, 800) / 1000)
        await asyncio.sleep(1)
        # A new worker needs some seconds to start: killed sooner, none would ever work.
        await kill_workers(found, verdict, lambda: random.uniform(3, 8))
        await verdict.all_ended(120)
    figures.update(verdict.check(runs=count))
    assert verdict.faults


async def test_a_worker_that_was_stopped_for_long_writes_over_nobody(
    verdict: Verdict, figures: dict[str, int], scale: Scale
) -> None:
    count = scale(10, 60)
    with cluster(verdict.url) as found:
        await found.ready()
        url = f"http://127.0.0.1:{found.webs[0].port}"
        for _ in range(scale(1, 5)):
            await submit_many(url, count, verdict.book, seconds=0.3)
            worker = random.choice(found.workers)
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(2.5)  # past the heartbeat, into the other's attempt
            await asyncio.to_thread(verdict.note_fault)
            worker.signal(signal.SIGCONT)
            await verdict.all_ended(120)
    figures.update(verdict.check(runs=count * scale(1, 5)))


async def test_workers_that_are_replaced_one_after_another_lose_no_run(
    verdict: Verdict, figures: dict[str, int], scale: Scale
) -> None:
    count = scale(40, 300)
    with cluster(verdict.url) as found:
        await found.ready()
        url = f"http://127.0.0.1:{found.webs[0].port}"
        await submit_many(url, count, verdict.book, seconds=0.3)
        while await asyncio.to_thread(verdict.one, ACTIVE):
            for worker in found.workers:
                # One that had only begun to start ends by the signal.
                assert await worker.terminate() in (0, -signal.SIGTERM), worker.said()
                await asyncio.to_thread(verdict.note_fault)
                worker.start()
                await asyncio.sleep(3)
        await verdict.all_ended(60)
    figures.update(verdict.check(runs=count))
