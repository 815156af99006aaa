"""Runs without HTTP: made, claimed and executed in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from threading import Barrier
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.db import connections

from assistants.models import Assistant
from runs import worker
from runs.models import Run
from runs.serializers import RunCreateSerializer
from threads.models import Thread
from threads.state import Outcome

IDLE = Outcome(thread_status=Thread.Status.IDLE)


def new_thread() -> Thread:
    return Thread.objects.open(user=AnonymousUser())


def submit(
    assistant_id: str = "echo",
    *,
    thread: Thread | None = None,
    multitask_strategy: str = "enqueue",
    metadata: dict[str, Any] | None = None,
    user: Any = None,
    **body: Any,
) -> Run:
    """A pending run, of a new thread if none is given."""
    request = RunCreateSerializer(data={"assistant_id": assistant_id, **body})
    request.is_valid(raise_exception=True)
    return Run.objects.submit(
        thread or new_thread(),
        Assistant.objects.find(assistant_id),
        kwargs=request.run_kwargs,
        metadata=metadata,
        user=user,
        multitask_strategy=multitask_strategy,
    )


def claimed(assistant_id: str = "echo", **body: Any) -> Run:
    """A run in its first attempt."""
    run = Run.objects.claim(submit(assistant_id, **body).pk)
    assert run is not None
    return run


asubmit = sync_to_async(submit)
aclaimed = sync_to_async(claimed)


async def work_off() -> None:
    """Execute all runs there are, in a worker made for it."""
    async with worker.opened() as opened:
        await work_off_by(opened)


async def work_off_by(opened: worker.Worker) -> None:
    """Execute all runs there are."""
    async with asyncio.timeout(15):
        while await Run.objects.active().aexists():
            await worker.work(opened, wait=False, install_signal_handlers=False)


@asynccontextmanager
async def working() -> AsyncIterator[worker.Worker]:
    """A worker that executes what comes. On leaving it stops, as at a signal."""
    async with worker.opened() as opened:
        task = asyncio.create_task(worker.work(opened, install_signal_handlers=False))
        try:
            yield opened
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Call each in a thread of its own, all at the same time. Their results, or what they raised."""
    start = Barrier(len(calls))

    def racer(call: Callable[[], Any]) -> Any:
        try:
            connections["default"].ensure_connection()
            start.wait(10)
            return call()
        except Exception as exc:
            return exc
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(racer, calls))
