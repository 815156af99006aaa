from __future__ import annotations

from functools import partial

from bench.measures.calls import again
from bench.meter import Meter
from bench.sizes import Sizes
from bench.targets import Target, Work

RUNS = 10
STATES = 100


async def measure(target: Target, meter: Meter, sizes: Sizes) -> None:
    """The latest 100 states of a thread with 220 checkpoints."""
    thread_id = await target.create_thread()
    for _ in range(RUNS):
        await target.run(thread_id, Work("steps"))
    read = partial(target.history, thread_id, STATES)
    sample = await meter.load("history.100.c1", again(read), sizes.history)
    sample.note = f"{await read()} states"
