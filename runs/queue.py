"""procrastinate's worker, with two waits less and an eye on the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from procrastinate import jobs, worker

logger = logging.getLogger(__name__)


class QueueWorker(worker.Worker):
    """Takes back the jobs of lost workers, and starts a job as soon as it may run.

    procrastinate's own worker would wait for its next poll.

    A thread's next run waits for the lock of the one before; its end is announced by nothing. And a
    notification that arrives while jobs are being fetched is forgotten when they have been (3.10).
    """

    def __init__(self, *args: Any, take_back: Callable[[], Awaitable[list[int]]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._take_back = take_back

    _called = False

    # Whether it stopped by itself, because the database could not be reached.
    failed = False

    async def _fetch_and_process_jobs(self) -> None:
        self._called = True
        while self._called and not self._stop_event.is_set():
            self._called = False
            await super()._fetch_and_process_jobs()

    async def _monitor_side_tasks(self, side_tasks: list[asyncio.Task[Any]]) -> None:
        await super()._monitor_side_tasks(side_tasks)
        self.failed = True

    async def _update_heartbeat(self) -> None:
        """Give a sign of life, and look for workers that give none."""
        assert self.worker_id is not None
        while True:
            if lost := await self._take_back():
                logger.warning("Jobs of a lost worker are queued again: %s", lost)
                self._called = True
                self._new_job_event.set()
            await asyncio.sleep(self.update_heartbeat_interval)
            await self.app.job_manager.update_heartbeat(self.worker_id)

    async def _handle_notification(self, *, channel: str, notification: jobs.Notification) -> None:
        self._called = True
        await super()._handle_notification(channel=channel, notification=notification)

    async def _persist_job_status(self, job: jobs.Job, *args: Any, **kwargs: Any) -> None:
        await super()._persist_job_status(job, *args, **kwargs)
        if job.lock:
            self._called = True
            self._new_job_event.set()
