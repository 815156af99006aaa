"""procrastinate's worker, with fewer waits and an eye on the others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

from django.db import DatabaseError, InterfaceError
from procrastinate import job_context, jobs, worker
from procrastinate.exceptions import ConnectorException
from procrastinate.retry import RetryDecision

from runs import statements
from runs.connections import RECONNECT_SECONDS, persistently
from runs.jobs import DELIVER_WEBHOOK, GIVE_BACK
from runs.lease import Lease

logger = logging.getLogger(__name__)

MANY = float("inf")
# Webhooks that are told at a time, beside what else a worker does: each for seconds, if the receiver is slow.
MAX_DELIVERIES = 1_000

HEARTBEAT = """
UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %(worker_id)s RETURNING id
"""
KEPT_JOBS = """
SELECT id FROM procrastinate_jobs
WHERE worker_id = %(worker_id)s AND status = 'doing' AND id = ANY(%(job_ids)s::bigint[])
"""
# A job is ended by the worker that has it: another may have taken it over from one that was silent.
DELETE_JOB = """
DELETE FROM procrastinate_jobs WHERE id = %(job_id)s AND worker_id = %(worker_id)s AND status = 'doing'
RETURNING id
"""
END_JOB = """
UPDATE procrastinate_jobs
SET status = %(status)s::procrastinate_job_status, attempts = attempts + 1, abort_requested = false,
    scheduled_at = COALESCE(%(retry_at)s::timestamptz, scheduled_at), worker_id = NULL
WHERE id = %(job_id)s AND worker_id = %(worker_id)s AND status = 'doing'
RETURNING id
"""


class Runs(Protocol):
    """What the queue's worker knows of the runs that it executes."""

    lease: Lease

    async def take_back(self) -> list[int]: ...
    def look_at(self, run_id: UUID) -> None: ...

    def lose(self, run_id: UUID) -> None: ...

    def drain(self) -> None: ...


class QueueWorker(worker.Worker):
    """Takes back the jobs of lost workers, and starts a job as soon as it may run.

    procrastinate's own worker would wait for its next poll: a thread's next run waits for the lock of the one
    before, whose end is announced by nothing; and a notification that arrives while jobs are being fetched is
    forgotten when they have been (3.10). This one counts what is announced, asks for no more than that, and
    has a job's run claimed with it.

    A job that is to be aborted is not cancelled: its run says what is to become of it.
    """

    def __init__(self, *args: Any, runs: Runs, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._runs = runs
        self._give_grace()

    # How many jobs may be waiting: those that were announced, or any number.
    _announced = MANY
    _deliveries = 0  # how many of the running jobs tell webhooks of ended runs
    _is_unsure = False  # whether a job may have been fetched of which nothing was heard

    # Whether it stopped by itself, because the database could not be reached.
    failed = False

    async def _fetch_and_process_jobs(self) -> None:
        self._new_job_event.clear()
        self._announced = self._announced or MANY  # nothing was: this is a poll
        # Without a lease a run would be handed back as soon as it is begun.
        while self._announced and not self._runs.lease.is_over and await self._has_room():
            wanted, self._announced = self._announced, 0
            try:
                row = await self._fetch()
            except ConnectorException as exc:
                logger.warning("Jobs cannot be fetched now: %s", exc.__cause__ or exc)
                self._is_unsure = True
                return
            if row is not None:
                self._announced += wanted - 1
                self._process(row)

    async def _has_room(self) -> bool:
        """Wait until one more job may be worked on. False if the worker is stopped before.

        Deliveries wait for others than this worker, so they do not count among what it does at a time.
        """
        while not self._stop_event.is_set() and (
            len(self._running_jobs) - self._deliveries >= self.concurrency
            or self._deliveries >= MAX_DELIVERIES
        ):
            stopped = asyncio.create_task(self._stop_event.wait())
            await asyncio.wait([*self._running_jobs, stopped], return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
        return not self._stop_event.is_set()

    async def _fetch(self) -> dict[str, Any] | None:
        assert self.worker_id is not None
        if self._is_unsure:
            kept = [context.job.id for context in self._running_jobs.values()]
            if lost := await self._query(GIVE_BACK, worker=self.worker_id, kept=kept):
                logger.warning("Jobs that were fetched unheard are queued again: %s", lost)
            self._is_unsure = False
        statement, parameters = statements.fetch(self.worker_id)
        return next(iter(await self._query(statement, **parameters)), None)

    def _process(self, row: dict[str, Any]) -> None:
        """Work on a job, as procrastinate does. Its context has the run, if it was ``claimed``."""
        job, claimed = jobs.Job.from_row(row), row if row["attempt"] else None
        context = job_context.JobContext(
            app=self.app,
            worker_name=self.worker_name,
            worker_queues=self.queues,
            additional_context={**(self.additional_context or {}), "claimed": claimed},
            job=job,
            abort_reason=lambda: self._job_ids_to_abort.get(job.id or 0),
            start_timestamp=time.time(),
        )
        task = asyncio.create_task(self._process_job(context), name=f"process job {job.task_name}[{job.id}]")
        self._running_jobs[task] = context
        self._deliveries += job.task_name == DELIVER_WEBHOOK
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._deliveries -= self._running_jobs.pop(task).job.task_name == DELIVER_WEBHOOK

    def _start_side_tasks(self) -> list[asyncio.Task[Any]]:
        # Taking back is done apart, so that a lock it waits for delays no heartbeat.
        side_work = {
            "update_heartbeats": self._update_heartbeat,
            "take_back_lost_jobs": self._take_back_lost_jobs,
            "poll_jobs_to_abort": self._poll_jobs_to_abort,
            "deferrer": self._periodic_deferrer,
            "listener": self._listen,
        }
        return [asyncio.create_task(_kept_going(work), name=name) for name, work in side_work.items()]

    async def _monitor_side_tasks(self, side_tasks: list[asyncio.Task[Any]]) -> None:
        await super()._monitor_side_tasks(side_tasks)
        self.failed = True

    async def _listen(self) -> None:
        await self.app.job_manager.listen_for_jobs(
            on_notification=self._handle_notification, queues=self.queues
        )

    async def _update_heartbeat(self) -> None:
        while True:
            await self._give_sign_of_life()
            await asyncio.sleep(self.update_heartbeat_interval)

    async def _give_sign_of_life(self) -> None:
        lease, begun = self._runs.lease, Lease.now()
        if not await self._query(HEARTBEAT, worker_id=self.worker_id):
            # Others have given this worker up. They have its jobs, or will have.
            old, self.worker_id = self.worker_id, await self.app.job_manager.register_worker()
            logger.warning("Worker %s was given up, and goes on as %s.", old, self.worker_id)
        if was_over := lease.is_over:
            await self._lose_what_others_have()
            self._give_grace()
        lease.renew(begun)
        if was_over:
            self._look_for_jobs()

    def _give_grace(self) -> None:
        """If the database was away, others were silent too, and are about to say that they live."""
        self._takes_back_at = Lease.now() + self.update_heartbeat_interval

    async def _lose_what_others_have(self) -> None:
        """After silence: stop the runs whose jobs are not this worker's any more."""
        jobs = {context.job.id: context.job for context in self._running_jobs.values()}
        kept = await self._query(KEPT_JOBS, worker_id=self.worker_id, job_ids=list(jobs))
        for job_id in jobs.keys() - {row["id"] for row in kept}:
            if "run_id" in jobs[job_id].task_kwargs:
                self._runs.lose(UUID(str(jobs[job_id].task_kwargs["run_id"])))

    async def _take_back_lost_jobs(self) -> None:
        while True:
            is_due = not self._runs.lease.is_over and Lease.now() >= self._takes_back_at
            if is_due and (lost := await self._runs.take_back()):
                logger.warning("Jobs of a lost worker are queued again: %s", lost)
                self._look_for_jobs()
            await asyncio.sleep(self.update_heartbeat_interval)

    async def _handle_notification(self, *, channel: str, notification: jobs.Notification) -> None:
        self._announced += notification["type"] == "job_inserted"
        await super()._handle_notification(channel=channel, notification=notification)

    def _handle_abort_jobs_requested(self, job_ids: Any) -> None:
        asked = set(job_ids)
        for context in self._running_jobs.values():
            if context.job.id in asked and "run_id" in context.job.task_kwargs:
                self._runs.look_at(UUID(str(context.job.task_kwargs["run_id"])))

    async def _persist_job_status(
        self,
        job: jobs.Job,
        status: jobs.Status,
        retry_decision: RetryDecision | None,
        context: job_context.JobContext,
        job_result: job_context.JobResult | None,
    ) -> None:
        statement, values = DELETE_JOB, {}
        if retry_decision or status is not jobs.Status.SUCCEEDED:
            statement = END_JOB
            values = {
                "status": jobs.Status.TODO.value if retry_decision else status.value,
                "retry_at": retry_decision and retry_decision.retry_at,
            }
        # A job that nobody ends would hold up its thread as long as this worker lives. That of a run that has
        # ended was deleted with it.
        thread_status = job_result.result if job_result is not None else None
        of_job = {"job_id": job.id, "worker_id": job.worker_id}
        if thread_status is None and not await persistently(self._query, statement, **of_job, **values):
            logger.warning("Job %s is not this worker's any more.", job.id)
        self._job_ids_to_abort.pop(job.id or 0, None)
        if job.lock and thread_status in (None, "busy"):
            self._look_for_jobs()

    def _look_for_jobs(self) -> None:
        self._announced = MANY
        self._new_job_event.set()

    async def _shutdown(self, side_tasks: list[asyncio.Task[Any]]) -> None:
        if self.wait:  # else what it has shall end
            self._runs.drain()
        if self._running_jobs:
            # With the side tasks still there: signs of life are given, and who cancels a run is heard.
            await asyncio.wait(self._running_jobs, timeout=self.shutdown_graceful_timeout)
            self.shutdown_graceful_timeout = 0
        await super()._shutdown(side_tasks)

    async def _query(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        return await self.app.connector.execute_query_all_async(statement, **values)


async def _kept_going(work: Callable[[], Awaitable[None]]) -> None:
    """Do it again as long as the database cannot be reached. What is missed by then is polled for."""
    while True:
        try:
            return await work()
        except (ConnectorException, DatabaseError, InterfaceError) as exc:
            logger.warning("The database cannot be reached, trying again: %s", exc.__cause__ or exc)
            await asyncio.sleep(RECONNECT_SECONDS)
