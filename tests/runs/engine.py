"""Runs without HTTP: made, claimed and executed in the test's own process."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from threading import Barrier
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.db import connection, connections, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from assistants.database import execute
from assistants.models import Assistant
from runs import statements, worker
from runs.events.reader import wait_for_end
from runs.models import Run, RunEvent
from runs.serializers import RunCreateSerializer
from runs.statements import Ending
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
        after_seconds=request.validated_data.get("after_seconds") or 0,
    )


def claimed(assistant_id: str = "echo", **body: Any) -> Run:
    """A run in its first attempt."""
    run = claim(submit(assistant_id, **body).pk)
    assert run is not None
    return run


def claim(run_id: uuid.UUID) -> Run | None:
    """A new attempt of the run, by no worker; None if it is gone, or not pending."""
    found = execute(*statements.claim(run_id, timezone.now()))
    return Run.objects.claimed(run_id, found[0]) if found else None


def finish(run: Run, status: str, outcome: Outcome | None, *, seq: int, **left: Any) -> None:
    """End what ``claim`` has begun."""
    run.end(Ending(status, seq, outcome, **left))


asubmit = sync_to_async(submit)
aclaimed = sync_to_async(claimed)
aclaim = sync_to_async(claim)
afinish = sync_to_async(finish)


async def work_off() -> None:
    """Execute all runs there are, in a worker made for it."""
    async with worker.opened() as opened:
        await work_off_by(opened)


async def work_off_by(opened: worker.Worker) -> None:
    """Execute all runs there are."""
    async with asyncio.timeout(15):
        while await Run.objects.active().aexists():
            await worker.work(opened, wait=False)


@asynccontextmanager
async def working() -> AsyncIterator[worker.Worker]:
    """A worker that executes what comes. On leaving it stops, as at a signal."""
    async with worker.opened() as opened:
        task = asyncio.create_task(worker.work(opened))
        try:
            yield opened
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def ended(*runs: Run, seconds: float = 20) -> None:
    await asyncio.wait_for(asyncio.gather(*(wait_for_end(run.pk) for run in runs)), seconds)


async def let_go(run: Run, seconds: float = 20) -> None:
    """Until the worker that has the run's job has ended it."""
    async with asyncio.timeout(seconds):
        while await ProcrastinateJob.objects.filter(pk=run.job_id, status="doing").aexists():
            await asyncio.sleep(0.01)


def log_of(run: Run) -> list[str]:
    """The names of the events in the run's log, which is whole: numbered from 1 on, and closed."""
    found = list(RunEvent.objects.filter(run_id=run.pk).order_by("seq").values_list("seq", "event", "data"))
    assert [seq for seq, _, _ in found] == list(range(1, len(found) + 1))
    names = [name for _, name, _ in found]
    assert names.index("end") == len(names) - 1
    assert json.loads(found[-1][2]) == {"status": Run.objects.get(pk=run.pk).status}
    return names


def thread_of(run: Run) -> Thread:
    return Thread.objects.get(pk=run.thread_id)


alog_of = sync_to_async(log_of)
athread_of = sync_to_async(thread_of)


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


def one_behind_another(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Call the second while what the first has done is not yet committed. Their results, or what they raised.

    The second may wait for that. What it has read by then is what was before.
    """

    def call() -> Any:
        try:
            return second()
        except Exception as exc:
            return exc
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            done = first()
            running = threads.submit(call)
            deadline = time.monotonic() + 10
            while not running.done() and not _somebody_waits():
                assert time.monotonic() < deadline
                time.sleep(0.005)
        return done, running.result(20)


def _somebody_waits() -> bool:
    """Whether a connection waits for a lock that this one has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])
