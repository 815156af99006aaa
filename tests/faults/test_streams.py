"""Streams through processes that stop, a database that restarts, and clients that do not read."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from langgraph_sdk import get_client

from skeino_site import embedded_postgres
from tests.faults.clients import read_slowly, run_body, stream, submit_many
from tests.faults.cluster import Balancer, Cluster, cluster
from tests.faults.graphs import STEPS
from tests.faults.verdict import CONNECTIONS, Verdict

Scale = Callable[[int, int], int]

EVENTS = ["metadata", *["updates"] * len(STEPS)]


async def replace_webs(found: Cluster, pause: float) -> int:
    """Until cancelled: stop one web process after another, each when the one before is back."""
    replaced = 0
    try:
        while True:
            for web in found.webs:
                await web.terminate()
                web.start()
                await web.answers()
                replaced += 1
                await asyncio.sleep(pause)
    except asyncio.CancelledError:
        return replaced


@pytest.mark.filterwarnings("ignore:Reconnecting without a Last-Event-ID")  # before the first event
async def test_streams_go_on_while_web_processes_are_replaced(
    verdict: Verdict, figures: dict[str, int], scale: Scale
) -> None:
    count = scale(20, 150)
    with cluster(verdict.url, webs=2) as found:
        await found.ready()
        async with Balancer(found.webs) as url, get_client(url=url, timeout=60) as client:
            replacing = asyncio.create_task(replace_webs(found, 1))
            gate = asyncio.Semaphore(10)

            async def one() -> list[tuple[str | None, str]]:
                async with gate:
                    return await stream(client, verdict.book, seconds=0.8)

            streams = await asyncio.gather(*(one() for _ in range(count)))
            replacing.cancel()
            verdict.faults = await replacing
    figures.update(verdict.check(runs=count))
    for parts in streams:
        assert [event for _, event in parts if event != "metadata"] == EVENTS[1:]
        ids = [int(part_id) for part_id, _ in parts if part_id]
        assert ids == sorted(set(ids))


async def test_a_restarting_postgres_loses_no_run(figures: dict[str, int], scale: Scale) -> None:
    count = scale(20, 200)
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        data_dir = Path(folder)
        verdict = Verdict(embedded_postgres.url(data_dir), data_dir / "book")
        try:
            with cluster(verdict.url, webs=1) as found:
                await found.ready()
                url = f"http://127.0.0.1:{found.webs[0].port}"
                await submit_many(url, count, verdict.book, seconds=0.5)
                for _ in range(scale(1, 4)):
                    await asyncio.sleep(1)
                    await asyncio.to_thread(verdict.note_fault)
                    assert await asyncio.to_thread(embedded_postgres.stop, data_dir)
                    await asyncio.sleep(1)
                    await asyncio.to_thread(embedded_postgres.start, data_dir)
                    await asyncio.sleep(4)
                await verdict.all_ended(120)
                assert all(process.popen.poll() is None for process in [*found.webs, *found.workers])
                # The same processes serve and work on.
                await submit_many(url, 3, verdict.book)
                await verdict.all_ended(60)
            figures.update(verdict.check(runs=count + 3))
        finally:
            embedded_postgres.stop(data_dir)


async def test_slow_readers_disturb_nobody(verdict: Verdict, figures: dict[str, int], scale: Scale) -> None:
    slow, fast, size = scale(10, 50), scale(40, 250), 2_000_000
    with cluster(verdict.url) as found:
        await found.ready()
        url = f"http://127.0.0.1:{found.webs[0].port}"
        release = asyncio.Event()
        readers = [
            asyncio.create_task(read_slowly(url, verdict.book, size=size, until=release)) for _ in range(slow)
        ]
        async with get_client(url=url, timeout=120) as client:
            streams = await asyncio.gather(*(stream(client, verdict.book, seconds=0.05) for _ in range(fast)))
        await verdict.all_ended(60)  # the slow readers' runs too, though nobody has read them
        memory = psutil.Process(found.webs[0].popen.pid).memory_info().rss
        connections = await asyncio.to_thread(verdict.one, CONNECTIONS)
        release.set()
        assert min(await asyncio.gather(*readers)) > size * len(STEPS)
    assert all([event for _, event in parts] == EVENTS for parts in streams)
    # A reader holds one read of some MB and what is in its socket, not the ten MB of its run.
    figures.update(verdict.check(runs=slow + fast), **{"MiB of the web process": memory >> 20})
    assert memory < (300 + 10 * slow) << 20
    assert connections < 60
    figures["connections"] = connections


async def test_many_queued_runs_of_many_clients_end_in_order(
    verdict: Verdict, figures: dict[str, int], scale: Scale
) -> None:
    threads, rounds, clients = scale(10, 50), scale(4, 20), 4
    with cluster(verdict.url) as found:
        await found.ready()
        url = f"http://127.0.0.1:{found.webs[0].port}"
        async with get_client(url=url, timeout=60) as client:
            thread_ids = [(await client.threads.create())["thread_id"] for _ in range(threads)]

        async def submit_all() -> list[tuple[str, str]]:
            async with get_client(url=url, timeout=60) as client:
                body = run_body(verdict.book, seconds=0)
                headers = {"Prefer": "respond-async"}
                return [
                    (thread_id, (await client.runs.create(thread_id, headers=headers, **body))["run_id"])
                    for _ in range(rounds // clients)
                    for thread_id in thread_ids
                ]

        submitted = await asyncio.gather(*(submit_all() for _ in range(clients)))
        await verdict.all_ended(300)
    figures.update(verdict.check(runs=threads * rounds, rounds=rounds))
    begun = [line.split()[0] for line in verdict.book.read_text().splitlines()]
    for of_client in submitted:
        for thread_id in thread_ids:
            own = [run_id for thread, run_id in of_client if thread == thread_id]
            assert [begun.index(run_id) for run_id in own] == sorted(begun.index(run_id) for run_id in own)
    assert Counter(begun).most_common(1)[0][1] == len(STEPS)
