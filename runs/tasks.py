"""The queue's entries: thin, for what they do is told elsewhere."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from uuid import UUID

import httpx
import psycopg
from django.db import IntegrityError, InterfaceError, OperationalError
from django.utils import timezone
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision, RetryStrategy, builtin_tasks
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from runs import jobs, webhooks
from runs.conf import conf
from runs.exceptions import HandedBack
from runs.models import Run, RunEvent, WebhookDelivery
from runs.worker import Worker
from threads.housekeeping import aside

logger = logging.getLogger(__name__)

# Less than a stopping worker waits, for what has begun in a thread cannot be cancelled.
PRUNE_SECONDS = 3.0


# What a worker does to runs it does by psycopg, or by Django's models, which wrap psycopg's errors. An
# IntegrityError: the thread's other run, whose job was lost, has not yet been recovered.
NOT_NOW = (
    *(OperationalError, InterfaceError, IntegrityError),
    *(psycopg.OperationalError, psycopg.InterfaceError, psycopg.IntegrityError),
)


class WrongWorker(RuntimeError):
    """Runs are executed by `manage.py worker`; this is another procrastinate worker."""


class BackToTheQueue(BaseRetryStrategy):
    """For runs that a stopping worker hands back, or could not claim, or should not have taken."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, (HandedBack, asyncio.CancelledError)):
            return RetryDecision()
        if isinstance(exception, (WrongWorker, *NOT_NOW)):
            return RetryDecision(retry_in={"seconds": 1})
        return None


@app.task(name=jobs.EXECUTE, pass_context=True, retry=BackToTheQueue())
async def execute(context: JobContext, *, run_id: str, is_followed: bool = True) -> str | None:
    """Execute a run. Does nothing if it is gone or no longer pending. See ``Worker.execute``."""
    claimed = context.additional_context.get("claimed")
    return await _worker(context).execute(UUID(run_id), claimed, is_followed=is_followed)


@app.task(name=jobs.START, pass_context=True, retry=BackToTheQueue())
async def start(context: JobContext, *, run_id: str) -> None:
    """Let a run that was asked for later enter its thread's line."""
    await _worker(context).start(UUID(run_id))


def _worker(context: JobContext) -> Worker:
    worker: Worker | None = context.additional_context.get("worker")
    if worker is None:
        raise WrongWorker(WrongWorker.__doc__)
    return worker


@app.periodic(cron="* * * * *")
@app.task(name="runs.recover", queueing_lock="runs.recover")
@aside
def recover(timestamp: int) -> None:
    """Queue runs again that no job will execute; once an hour, look after threads too."""
    if recovered := Run.objects.recover(threads=timestamp % 3600 < 60):
        logger.error("Runs were found without a job, or threads busy without a run: %s.", recovered)


@app.periodic(cron="* * * * *")
@app.task(name="runs.prune", queueing_lock="runs.prune")
@aside
def prune(timestamp: int) -> None:
    """Delete the logs and runs that are kept no longer. If there are many, go on in a minute."""
    now = timezone.now()
    hours, days = conf.SKEINO_EVENT_RETENTION_HOURS, conf.SKEINO_RUN_RETENTION_DAYS
    if hours is not None:
        RunEvent.objects.prune(now - timedelta(hours=hours), seconds=PRUNE_SECONDS)
        WebhookDelivery.objects.prune(now - timedelta(hours=hours), seconds=PRUNE_SECONDS)
    if days is not None:
        Run.objects.prune(now - timedelta(days=days), seconds=PRUNE_SECONDS)


@app.periodic(cron="23 * * * *")
@app.task(name="runs.remove_old_jobs", queueing_lock="runs.remove_old_jobs", pass_context=True)
async def remove_old_jobs(context: JobContext, timestamp: int) -> None:
    """Delete what has ended a day ago. Jobs that went well are deleted at once."""
    await builtin_tasks.remove_old_jobs(
        context, max_hours=24, remove_failed=True, remove_cancelled=True, remove_aborted=True
    )


class Redelivery(RetryStrategy):
    """For what a receiver did not take, and for what a stopping worker breaks off."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        again = BackToTheQueue().get_retry_decision(exception=exception, job=job)
        return again or super().get_retry_decision(exception=exception, job=job)


@app.task(
    name=jobs.DELIVER_WEBHOOK,
    pass_context=True,
    retry=Redelivery(max_attempts=6, exponential_wait=4, retry_exceptions=[httpx.HTTPError]),
)
async def deliver_webhook(context: JobContext, *, run_id: str) -> None:
    """Tell the run's webhook that it has ended; over some twenty minutes if need be."""
    await webhooks.deliver(UUID(run_id), _worker(context).database)
