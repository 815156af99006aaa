from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.client import Events
from bench.measures.calls import new_threads
from bench.meter import Meter
from bench.samples import Sample
from bench.sizes import Sizes
from bench.targets import Target, Work

TIME = re.compile(rb"(\d+\.\d{6}) ")
PROBE_SECONDS = 0.05


@dataclass(frozen=True)
class Pace:
    """So many streams, opened within so many seconds, each of so many tokens so far apart."""

    streams: int
    tokens: int
    delay: float
    opened_within: float = 0.0

    @property
    def seconds(self) -> float:
        """A stream's ideal duration."""
        return self.tokens * self.delay


async def measure(target: Target, meter: Meter, sizes: Sizes) -> None:
    """How late tokens and the ends of streams are, and how long other requests take meanwhile."""
    probed = await target.create_thread()
    await target.run(probed, Work("echo"))
    await play(target, Meter(meter.parties), "warm-up", Pace(10, 10, 0.02))
    paces = {
        "paced.burst100": Pace(sizes.burst, 50, 0.02),
        "paced.steady40": Pace(sizes.steady, 150, 0.02, opened_within=1.0),
    }
    for name, pace in paces.items():
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(_probe(target, probed, meter.sample(f"{name}.probe"), over))
            try:
                await play(target, meter, name, pace)
            finally:
                over.set()


async def play(
    target: Target, meter: Meter, name: str, pace: Pace, midway: Callable[[], None] | None = None
) -> None:
    """Open the streams and read them to their ends. ``midway`` is called when all are open."""
    end, token = meter.sample(f"{name}.end_lag"), meter.sample(f"{name}.token_delay")
    mode = target.token_mode
    task = "custom" if mode == "custom" else "paced"
    work = Work(task, f"emit {pace.tokens}x{pace.delay}", events=pace.tokens)

    async def read_one(number: int, thread_id: str) -> None:
        await asyncio.sleep(pace.opened_within * number / pace.streams)
        begun = time.monotonic()
        try:
            events = await target.stream(thread_id, work, mode)
        except Exception as exc:
            end.failed(exc)
            return
        end.values.append(1000 * (events.all[-1].at - begun - pace.seconds))
        token.values += _delays(events)

    threads = await new_threads(target, pace.streams)
    with meter.clocked(end):
        async with asyncio.TaskGroup() as group:
            for number, thread_id in enumerate(threads):
                group.create_task(read_one(number, thread_id))
            if midway:
                await asyncio.sleep((pace.opened_within + pace.seconds) / 2)
                midway()


async def _probe(target: Target, thread_id: str, sample: Sample, over: asyncio.Event) -> None:
    while not over.is_set():
        begun = time.monotonic()
        try:
            await target.read(thread_id)
            sample.values.append(1000 * (time.monotonic() - begun))
        except Exception as exc:
            sample.failed(exc)
        await asyncio.sleep(PROBE_SECONDS)


def _delays(events: Events) -> list[float]:
    """Of each token, from its making to its arrival."""
    return [1000 * (event.at - float(made[1])) for event in events.data if (made := TIME.search(event.block))]
