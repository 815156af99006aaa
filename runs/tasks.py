"""The queue's entries: thin, for what they do is told elsewhere."""

from __future__ import annotations

import asyncio
from uuid import UUID

from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from runs.models import EXECUTE_TASK
from runs.worker import Worker


class AgainIfHandedBack(BaseRetryStrategy):
    """A run that a stopping worker handed back waits in the queue again, first in its thread's line."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        return RetryDecision() if isinstance(exception, asyncio.CancelledError) else None


@app.task(name=EXECUTE_TASK, pass_context=True, retry=AgainIfHandedBack())
async def execute(context: JobContext, *, run_id: str) -> None:
    """Execute a run. Does nothing if it is gone or no longer pending."""
    worker: Worker = context.additional_context["worker"]
    await worker.execute(UUID(run_id))
