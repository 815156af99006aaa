from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from functools import partial

from bench.client import Client, Events
from bench.database import Postgres
from bench.growth.served import CallsFailed, Served, served
from bench.meter import Meter, gather_some
from bench.table import markdown, show
from bench.targets import DURABILITY, Server, Work

# A token after so long that all are measured before.
WORK = Work("paced", "emit 2x300")
OPEN_SECONDS = 180.0
# What is left of the opening, as buffers, goes.
SETTLE_SECONDS = 3.0


def measure(postgres: Postgres, options: argparse.Namespace) -> Iterator[str]:
    """Memory of one web and one worker process, with ever more streams that wait for their first token."""
    sizes = [0, options.streams // 4, options.streams // 2, options.streams]
    with served(postgres) as server:
        columns = server.play(partial(_open_more_and_more, served=server, sizes=sizes))
    rows = []
    for party in ("web", "worker"):
        row = [f"{party} process, MiB", *(show(column[party]) for column in columns)]
        row.append(show(1024 * (columns[-1][party] - columns[0][party]) / options.streams))
        rows.append(row)
    yield markdown(["open streams", *(f"{size:,}" for size in sizes), "KiB a stream"], rows)


async def _open_more_and_more(
    server: Server, meter: Meter, *, served: Served, sizes: list[int]
) -> list[dict[str, float]]:
    await server.run(await server.create_thread(), Work("echo"))  # what the first run loads is no stream's
    client, streams, found = Client(served.endpoint.url, timeout=OPEN_SECONDS), list[Events](), []
    tasks: list[asyncio.Task[object]] = []

    async def open_one(number: int) -> None:
        path = f"/threads/{await server.create_thread()}/runs/stream"
        body = {"assistant_id": "mux", "input": WORK.input, "stream_mode": ["values"]}
        streams.append(Events())
        call = client.call("POST", path, body | {"durability": DURABILITY}, streams[-1])
        tasks.append(asyncio.create_task(call))

    for size in sizes:
        await gather_some(open_one, size - len(streams))
        await _all_begun(streams, tasks)
        await asyncio.sleep(SETTLE_SECONDS)
        found.append({party: served.parties.rss_mib(party) for party in ("web", "worker")})
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


async def _all_begun(streams: list[Events], tasks: list[asyncio.Task[object]]) -> None:
    """Raises CallsFailed if one ends."""
    async with asyncio.timeout(OPEN_SECONDS):
        while not all(events.all for events in streams):
            if ended := next((task for task in tasks if task.done()), None):
                raise CallsFailed(f"A stream has ended: {ended}")
            await asyncio.sleep(0.1)
