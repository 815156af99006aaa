from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import uvloop

from bench import floor
from bench.client import Client, Events
from bench.contestants import TOKEN_MODE
from bench.database import Postgres
from bench.growth.served import CallsFailed, Served, served
from bench.meter import Meter, T, gather_some
from bench.samples import Parties
from bench.table import markdown, show
from bench.targets import DURABILITY, Server, Work

# A token after so long that all are measured before.
WORK = Work("paced", "emit 2x300")
OPEN_SECONDS = 180.0
PARTIES = ("web", "worker")
# What is left of the opening, as buffers, goes.
SETTLE_SECONDS = 3.0


def measure(postgres: Postgres, options: argparse.Namespace) -> Iterator[str]:
    """Memory with ever more streams that wait for their first token.

    Of one web and one worker process, and of this one, with the graph alone in it.
    """
    sizes = [0, options.streams // 4, options.streams // 2, options.streams]
    with postgres.fresh_database() as url:
        alone = uvloop.run(_alone(url, sizes))
    with served(postgres) as server:
        columns = server.play(partial(_served, there=server, sizes=sizes))
    rows = {f"{party} process, MiB": [column[party] for column in columns] for party in PARTIES}
    rows["the graph alone, in one process, MiB"] = alone
    yield markdown(
        ["open streams", *(f"{size:,}" for size in sizes), "KiB a stream"],
        [
            [name, *map(show, found), show(1024 * (found[-1] - found[0]) / options.streams)]
            for name, found in rows.items()
        ],
    )


async def _alone(database_url: str, sizes: list[int]) -> list[float]:
    async with floor.opened(database_url, TOKEN_MODE) as graph:
        await graph.run(await graph.create_thread(), Work("echo"))  # what the first run loads is no stream's

        async def stream(events: Events) -> None:
            await graph.stream(await graph.create_thread(), WORK, "values", events)

        parties = Parties({"server": [os.getpid()]})
        return await _open_more_and_more(stream, sizes, parties.rss_mib)


async def _served(server: Server, meter: Meter, *, there: Served, sizes: list[int]) -> list[dict[str, float]]:
    await server.run(await server.create_thread(), Work("echo"))
    client = Client(there.endpoint.url, timeout=OPEN_SECONDS)

    async def stream(events: Events) -> None:
        path = f"/threads/{await server.create_thread()}/runs/stream"
        body = {"assistant_id": "mux", "input": WORK.input, "stream_mode": ["values"]}
        await client.call("POST", path, body | {"durability": DURABILITY}, events)

    def memory() -> dict[str, float]:
        return {party: there.parties.rss_mib(party) for party in PARTIES}

    return await _open_more_and_more(stream, sizes, memory)


async def _open_more_and_more(
    stream: Callable[[Events], Coroutine[Any, Any, None]], sizes: list[int], memory: Callable[[], T]
) -> list[T]:
    streams, tasks, found = list[Events](), list[asyncio.Task[None]](), list[T]()

    async def open_one(number: int) -> None:
        streams.append(Events())
        tasks.append(asyncio.create_task(stream(streams[-1])))

    for size in sizes:
        await gather_some(open_one, size - len(streams))
        await _all_begun(streams, tasks)
        await asyncio.sleep(SETTLE_SECONDS)
        found.append(memory())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


async def _all_begun(streams: list[Events], tasks: list[asyncio.Task[None]]) -> None:
    """Raises CallsFailed if one ends."""
    async with asyncio.timeout(OPEN_SECONDS):
        while not all(events.all for events in streams):
            if ended := next((task for task in tasks if task.done()), None):
                raise CallsFailed(f"A stream has ended: {ended}")
            await asyncio.sleep(0.1)
