"""The queue's entries: thin, for what they do is told elsewhere."""

from __future__ import annotations

import asyncio
from uuid import UUID

from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from runs.models import EXECUTE_TASK
from runs.worker import Worker


class WrongWorker(RuntimeError):
    """Runs are executed by `manage.py worker`; this is another procrastinate worker."""


class BackToTheQueue(BaseRetryStrategy):
    """For runs that a stopping worker hands back, and for workers that should not have taken them."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision()
        return RetryDecision(retry_in={"seconds": 5}) if isinstance(exception, WrongWorker) else None


@app.task(name=EXECUTE_TASK, pass_context=True, retry=BackToTheQueue())
async def execute(context: JobContext, *, run_id: str) -> None:
    """Execute a run. Does nothing if it is gone or no longer pending."""
    worker: Worker | None = context.additional_context.get("worker")
    if worker is None:
        raise WrongWorker(WrongWorker.__doc__)
    await worker.execute(UUID(run_id))
