"""The queue's entries: thin, for what they do is told elsewhere."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

import httpx
from django.db import InterfaceError, OperationalError
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from runs import jobs, webhooks
from runs.exceptions import HandedBack
from runs.models import Run
from runs.worker import Worker

logger = logging.getLogger(__name__)


class WrongWorker(RuntimeError):
    """Runs are executed by `manage.py worker`; this is another procrastinate worker."""


class BackToTheQueue(BaseRetryStrategy):
    """For runs that a stopping worker hands back, or could not claim, or should not have taken."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, (HandedBack, asyncio.CancelledError)):
            return RetryDecision()
        if isinstance(exception, (WrongWorker, OperationalError, InterfaceError)):
            return RetryDecision(retry_in={"seconds": 1})
        return None


@app.task(name=jobs.EXECUTE, pass_context=True, retry=BackToTheQueue())
async def execute(context: JobContext, *, run_id: str) -> None:
    """Execute a run. Does nothing if it is gone or no longer pending."""
    worker: Worker | None = context.additional_context.get("worker")
    if worker is None:
        raise WrongWorker(WrongWorker.__doc__)
    await worker.execute(UUID(run_id))


@app.periodic(cron="* * * * *")
@app.task(name="runs.recover", queueing_lock="runs.recover")
def recover(timestamp: int) -> None:
    """Queue runs again that no job will execute."""
    if recovered := Run.objects.recover():
        logger.error("Runs were found without a job, or threads busy without a run: %s.", recovered)


@app.task(name=jobs.START)
def start(*, run_id: str) -> None:
    """Let a run that was asked for later enter its thread's line."""
    Run.objects.enqueue(UUID(run_id))


@app.task(
    name=jobs.DELIVER_WEBHOOK,
    retry=RetryStrategy(max_attempts=6, exponential_wait=4, retry_exceptions=[httpx.HTTPError]),
)
def deliver_webhook(*, run_id: str) -> None:
    """Tell the run's webhook that it has ended; over some twenty minutes if need be."""
    run = Run.objects.select_related("thread").filter(pk=run_id).first()
    if run is not None:
        webhooks.deliver(run)
