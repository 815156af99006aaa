from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

from bench.database import Postgres
from bench.growth.served import median_ms, served
from bench.growth.statements import listened_to
from bench.meter import Meter
from bench.table import markdown, show
from bench.targets import Server, Work

CHECKPOINTS_PER_RUN = 22
LIMITS = (10, 100, 1000)


def measure(postgres: Postgres, options: argparse.Namespace) -> Iterator[str]:
    """Of a thread with ever more checkpoints; with the plan at the most."""
    sizes = [options.checkpoints // 10, options.checkpoints]
    columns: list[dict[str, float]] = []
    thread_id = ""

    async def grow_and_time(server: Server, meter: Meter, checkpoints: int, there: int) -> None:
        nonlocal thread_id
        thread_id = thread_id or await server.create_thread()
        for _ in range((checkpoints - there) // CHECKPOINTS_PER_RUN):
            await server.run(thread_id, Work("steps"))
        calls = {f"history, {limit} states": partial(server.history, thread_id, limit) for limit in LIMITS}
        run = partial(server.run, thread_id, Work("steps"))
        column = {name: await median_ms(meter, call) for name, call in calls.items()}
        column["the thread"] = await median_ms(meter, partial(server.read, thread_id))
        columns.append(column | {"a run of 20 nodes on it": await median_ms(meter, run, 3)})

    async def read_once(server: Server, meter: Meter) -> None:
        await server.history(thread_id, 100)

    with served(postgres) as server:
        for there, checkpoints in zip([0, *sizes], sizes, strict=False):
            server.play(partial(grow_and_time, checkpoints=checkpoints, there=there))
        rows = [[name, *(show(column[name]) for column in columns)] for name in columns[0]]
        yield markdown(["p50 in ms", *(f"{checkpoints:,} checkpoints" for checkpoints in sizes)], rows)
        with listened_to(postgres, server.database_url) as statements:
            server.play(read_once)
        yield f"The plan of 100 states: {statements.plan('checkpoint')}"
