"""Runs loads and keeps what they leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psutil

from bench.samples import Parties, Sample

# At a time, where many threads have to be made first.
MAKERS = 16
WARM_UP = 5

T = TypeVar("T")
Call = Callable[[], Awaitable[T]]
# Makes so many calls ready, before the clock starts.
Preparation = Callable[[int], Awaitable[list[Call[T]]]]


class Meter:
    def __init__(self, parties: Parties) -> None:
        self.parties = parties
        self.samples: dict[str, Sample] = {}

    def sample(self, measure: str, unit: str = "ms") -> Sample:
        return self.samples.setdefault(measure, Sample(unit))

    def note_memory(self, state: str) -> None:
        """The server's resident memory now, counted in both ways where the system has both."""
        self.sample(f"memory.rss_{state}", "MiB").values.append(self.parties.rss_mib())
        if psutil.LINUX:
            self.sample(f"memory.pss_{state}", "MiB").values.append(self.parties.pss_mib())

    @contextmanager
    def clocked(self, sample: Sample) -> Iterator[None]:
        """What the block takes, of time and of each party's CPU, is the sample's."""
        before, begun = self.parties.cpu_seconds(), time.monotonic()
        yield
        sample.wall += time.monotonic() - begun
        for party, seconds in self.parties.cpu_seconds().items():
            used = max(0.0, seconds - before[party])
            sample.cpu[party] = sample.cpu.get(party, 0.0) + used

    async def load(
        self,
        measure: str,
        prepare: Preparation[T],
        calls: int,
        *,
        at_a_time: int = 1,
        value: Callable[[T, float], float] | None = None,
        unit: str = "ms",
        weight: int = 1,
    ) -> Sample:
        """So many calls after a few to warm up. A failed call is counted, not raised.

        A value is a call's duration in ms, or what ``value`` makes of its result and its start. The rate is
        that of calls times ``weight``.
        """
        sample = self.sample(measure, unit)
        warm_up = await prepare(max(WARM_UP, at_a_time))
        await _work_off(warm_up, at_a_time, Sample(), None)
        ready = await prepare(calls)
        done = len(sample.values)
        with self.clocked(sample):
            begun = time.monotonic()
            await _work_off(ready, at_a_time, sample, value)
            wall = time.monotonic() - begun
        sample.rate = weight * (len(sample.values) - done) / wall
        return sample


async def _work_off(
    calls: list[Call[Any]], at_a_time: int, sample: Sample, value: Callable[[Any, float], float] | None
) -> None:
    todo = iter(calls)

    async def worker() -> None:
        for call in todo:
            begun = time.monotonic()
            try:
                result = await call()
            except Exception as exc:
                sample.failed(exc)
            else:
                took = 1000 * (time.monotonic() - begun)
                sample.values.append(value(result, begun) if value else took)

    await asyncio.gather(*(worker() for _ in range(at_a_time)))


async def gather_some(make: Callable[[int], Awaitable[T]], count: int) -> list[T]:
    """``make`` with the numbers from 0, some at a time."""
    made: list[T] = []
    for first in range(0, count, MAKERS):
        made += await asyncio.gather(*map(make, range(first, min(first + MAKERS, count))))
    return made
