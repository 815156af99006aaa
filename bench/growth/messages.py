from __future__ import annotations

import argparse
from collections.abc import Iterator

import uvloop

from bench import floor
from bench.contestants import TOKEN_MODE
from bench.database import Postgres
from bench.growth.served import served
from bench.measures.growth import with_messages
from bench.meter import Meter
from bench.samples import Parties
from bench.table import markdown, show
from bench.targets import Target

CALLS = 10


def measure(postgres: Postgres, options: argparse.Namespace) -> Iterator[str]:
    """A run of one node on a thread with ever more messages, here and on the floor."""
    sizes = sorted({10, 100, options.messages // 2, options.messages})

    async def time_all(target: Target, meter: Meter) -> list[float]:
        return [await _time(target, meter, messages) for messages in sizes]

    async def time_floor(database_url: str) -> list[float]:
        async with floor.opened(database_url, TOKEN_MODE) as target:
            return await time_all(target, Meter(Parties({})))

    with postgres.fresh_database() as url:
        bare = uvloop.run(time_floor(url))
    with served(postgres) as server:
        here = server.play(time_all)
    rows = [
        [f"{messages:,}", show(ours), show(other), f"{show(ours / other)} ×"]
        for messages, ours, other in zip(sizes, here, bare, strict=True)
    ]
    yield markdown(["messages on the thread", "a run, p50 in ms", "floor", "ratio"], rows)


async def _time(target: Target, meter: Meter, messages: int) -> float:
    await with_messages(target, meter, messages, CALLS)
    return float(meter.samples[f"growth.{messages}.run"].report()["p50"])
