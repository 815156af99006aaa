"""Calls made ready for a load: each on a thread of its own, which is there before the clock starts."""

from __future__ import annotations

from functools import partial

from bench.client import Events
from bench.meter import Call, Preparation, T, gather_some
from bench.targets import Target, Work


def again(call: Call[T]) -> Preparation[T]:
    """The same call every time."""

    async def prepare(count: int) -> list[Call[T]]:
        return [call] * count

    return prepare


def runs_of(target: Target, work: Work) -> Preparation[None]:
    async def prepare(count: int) -> list[Call[None]]:
        threads = await new_threads(target, count)
        return [partial(target.run, thread_id, work) for thread_id in threads]

    return prepare


def streams_of(target: Target, work: Work, mode: str) -> Preparation[Events]:
    async def prepare(count: int) -> list[Call[Events]]:
        threads = await new_threads(target, count)
        return [partial(target.stream, thread_id, work, mode) for thread_id in threads]

    return prepare


async def new_threads(target: Target, count: int) -> list[str]:
    async def make(number: int) -> str:
        return await target.create_thread()

    return await gather_some(make, count)
