"""The process that executes runs: what it holds for all of them, and how it starts and stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import psycopg
from asgiref.sync import sync_to_async
from django.utils import timezone
from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from procrastinate import JobContext, signals
from procrastinate.contrib.django import app, procrastinate_app
from procrastinate.contrib.django.db_cleanup import close_db_connections
from procrastinate.exceptions import ConnectorException
from procrastinate.middleware import AsyncCallNext
from psycopg_pool import AsyncConnectionPool

from assistants.connections import ClosingExecutor
from assistants.graphs import equipped, registry
from assistants.store import open_store
from runs import jobs, metrics, statements
from runs.checkpoints import RunSaver
from runs.conf import conf
from runs.connections import (
    RECONNECT_SECONDS,
    DatabaseThreads,
    QueueConnector,
    WorkerPool,
    direct,
    drop_dead,
    persistently,
    pooled,
)
from runs.events.writer import EventWriter
from runs.exceptions import HandedBack, RunLost
from runs.execution import End, Execution
from runs.finishing import to_the_end
from runs.lease import Lease
from runs.models import Run
from runs.queue import QueueWorker
from runs.statements import Ending
from threads.state import Outcome

logger = logging.getLogger(__name__)

# In which models' verbs are called, each on a connection of its own.
DATABASE_THREADS = 2

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """What the runs of one process share: checkpointer, event writer, threads for the database."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        store: BaseStore,
        events: EventWriter,
        database: DatabaseThreads,
    ) -> None:
        self._pool = pool
        self.checkpointer = RunSaver(pool)
        self.store = store
        self.events = events
        self.lease = Lease(conf.SKEINO_HEARTBEAT_SECONDS)
        self.database = database
        self._graphs: dict[str, Pregel] = {}
        self._executions: dict[UUID, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    async def execute(
        self, run_id: UUID, claimed: dict[str, Any] | None = None, *, is_followed: bool = True
    ) -> str | None:
        """One attempt of the run, from its claim, if that is not made yet, to its end.

        Returns the status in which the thread is left; None if the run has not ended, and its job with it.
        Raises HandedBack, and the run waits again, when the worker stops before the run has ended.
        """
        found = claimed or await self._claim(run_id)
        if found is None:
            return None
        self.lose(run_id)  # an earlier attempt, if it was in this process
        run = Run.objects.claimed(run_id, found)
        execution = Execution(run, self.events, self.lease, is_followed=is_followed)
        self._executions[run_id] = execution
        if self._draining:
            execution.drain()
        try:
            return await self._carry_out(execution)
        except RunLost:
            logger.warning("Run %s is not this worker's any more.", run_id, extra={"run_id": str(run_id)})
            return None
        finally:
            if self._executions.get(run_id) is execution:  # and not the attempt that has replaced it
                del self._executions[run_id]

    async def start(self, run_id: UUID) -> None:
        """See ``Run.objects.enqueue``. Not in a node's thread: they may all be taken."""
        await self.database.call(Run.objects.enqueue, run_id)

    async def _carry_out(self, execution: Execution) -> str:
        # Half done, an end or a return would leave the run to nobody until somebody misses it.
        try:
            end = await execution.execute(partial(self._graph, execution.run.assistant.graph_id))
        except (asyncio.CancelledError, HandedBack) as exc:
            await to_the_end(self._hand_back(execution.run))
            raise HandedBack from exc
        return await to_the_end(self._end(execution, end))

    async def _hand_back(self, run: Run) -> None:
        await self.events.flush()  # before another worker counts where the log ends
        await self._persistently(run.release)

    async def _end(self, execution: Execution, end: End) -> str:
        run = execution.run
        try:
            thread_status = await self._finish(execution, *end)
        except psycopg.DatabaseError as exc:
            logger.exception("What run %s has left cannot be stored.", run.pk, extra={"run_id": str(run.pk)})
            thread_status = await self._finish(execution, *execution.failed(exc))
        metrics.observe_duration(run.started_at)
        return thread_status

    async def _finish(self, execution: Execution, status: Run.Status, outcome: Outcome | None) -> str:
        """End the run; returns the status in which its thread is left."""
        ending = Ending(
            status.value,
            execution.seq + 1,
            outcome,
            execution.usage.total,
            execution.traceback,
            unwritten=execution.unwritten,
        )
        finish = statements.finish(execution.run, ending, timezone.now())
        if not (found := await persistently(statements.transact, self._pool, finish)):
            raise RunLost(execution.run.pk)
        thread_status = str(found[0]["status"])
        metrics.count_end(ending.status, thread_status, ending.events())
        return thread_status

    def look_at(self, run_id: UUID) -> None:
        """Somebody has asked for an end of the run: find out which, and bring it about."""
        if run_id in self._executions:
            task = asyncio.create_task(self._heed(self._executions[run_id]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _heed(self, execution: Execution) -> None:
        run = execution.run
        asked = await self._persistently(
            Run.objects.filter(pk=run.pk).values_list("cancel_action", flat=True).first
        )
        action = Run.CancelAction(asked or Run.CancelAction.ROLLBACK)  # no row: it was deleted
        if action != execution.stopping:
            execution.stop(action)

    def lose(self, run_id: UUID) -> None:
        """Others have the run: let go of it."""
        if run_id in self._executions:
            self._executions[run_id].lose()

    def drain(self, draining: bool = True) -> None:
        """Let every run stop at the end of its current step, and be handed back. Or no more from now on."""
        self._draining = draining
        for execution in self._executions.values() if draining else ():
            execution.drain()

    async def _persistently(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a verb that a second call does no harm, until the database has answered."""
        return await persistently(partial(self.database.call, verb, *args, **kwargs))

    async def take_back(self) -> list[int]:
        """Queue the runs of lost workers again; returns their jobs."""
        return await self.database.call(jobs.take_back, conf.SKEINO_HEARTBEAT_SECONDS)

    async def _claim(self, run_id: UUID) -> dict[str, Any] | None:
        """Claim the run; if that fails, or this is cancelled meanwhile, give back what was claimed."""
        now = timezone.now()
        claiming = asyncio.ensure_future(statements.transact(self._pool, [statements.claim(run_id, now)]))
        try:
            found = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await asyncio.wait([claiming])
            await self._persistently(Run.objects.unclaim, run_id, now)
            raise
        except psycopg.OperationalError:  # it may have been claimed all the same
            await self._persistently(Run.objects.unclaim, run_id, now)
            raise
        return found[0] if found else None

    async def _graph(self, graph_id: str, config: RunnableConfig) -> Pregel:
        """The graph on this worker's checkpointer and store. What a factory makes is made for each run."""
        if graph_id not in self._graphs:
            built = await registry.abuild(graph_id, config)
            graph = equipped(built, checkpointer=self.checkpointer, store=self.store)
            if registry.is_factory(graph_id):
                return graph
            self._graphs[graph_id] = graph
        return self._graphs[graph_id]


@asynccontextmanager
async def opened() -> AsyncIterator[Worker]:
    """A worker with its connections open, and the queue's app on the same pool."""
    connect_kwargs = pooled()
    # Where LangGraph executes synchronous nodes and tools.
    nodes = ClosingExecutor(conf.SKEINO_WORKER_NODE_THREADS, "node")
    asyncio.get_running_loop().set_default_executor(nodes)
    pool = WorkerPool(connect_kwargs)
    database = DatabaseThreads(DATABASE_THREADS)
    try:
        async with pool, EventWriter(direct()).running() as events:
            with app.replace_connector(QueueConnector(kwargs=connect_kwargs)):
                async with app.open_async(pool), open_store(pool) as store:
                    with metrics.POOL.watching(pool):
                        yield Worker(pool, store, events, database)
    finally:
        # Not in a node's thread: they may all be taken.
        await asyncio.get_running_loop().run_in_executor(ThreadPoolExecutor(1, "closing"), database.close)


async def work(worker: Worker, *, wait: bool = True, on_stop: Callable[[], None] | None = None) -> None:
    """Execute jobs until stopped, whatever the database does; with ``wait=False`` until there is none.

    With ``on_stop``, which is then called, SIGINT and SIGTERM stop it; a second one ends the process.
    """
    app.perform_import_paths()
    queue_worker = _queue_worker(worker, wait)
    stopping = False

    def stop() -> None:
        nonlocal stopping
        stopping = True
        queue_worker.stop()
        if on_stop is not None:
            on_stop()

    with nullcontext() if on_stop is None else signals.on_stop(stop):
        while not stopping:
            worker.drain(False)
            try:
                await queue_worker.run()
            except ConnectorException as exc:
                logger.warning("The queue cannot be reached: %s", exc.__cause__ or exc)
            else:
                if not queue_worker.failed:
                    return
            if not stopping:
                await asyncio.sleep(RECONNECT_SECONDS)
            queue_worker = _queue_worker(worker, wait)


def _queue_worker(worker: Worker, wait: bool) -> QueueWorker:
    options: dict[str, Any] = {
        **app.worker_defaults,
        "concurrency": conf.SKEINO_WORKER_CONCURRENCY,
        "wait": wait,
        "install_signal_handlers": False,
        # Notifications start jobs at once; this is for those that wait for their time.
        "fetch_job_polling_interval": conf.SKEINO_QUEUE_POLL_SECONDS,
        # One that has found no more jobs lets those that it has end.
        "shutdown_graceful_timeout": conf.SKEINO_WORKER_SHUTDOWN_SECONDS if wait else None,
        "update_heartbeat_interval": conf.SKEINO_HEARTBEAT_SECONDS / 3,
        "stalled_worker_timeout": 10**9,  # never: those are forgotten by who takes back their jobs
        "abort_job_polling_interval": conf.SKEINO_QUEUE_POLL_SECONDS,
        "additional_context": {"worker": worker},
        "runs": worker,
        # In place of procrastinate's two, of which the asynchronous one takes two hops a run.
        "task_middleware": [close_db_connections, _drop_dead_connections],
    }
    return QueueWorker(procrastinate_app.current_app, **options)


_dropping: set[asyncio.Task[None]] = set()


async def _drop_dead_connections(call_next: AsyncCallNext, context: JobContext, worker: QueueWorker) -> Any:
    """For nodes that use the asynchronous ORM: it has one thread, and that keeps its connection.

    Not waited for: the thread does one thing after another, and a node may keep it for long.
    """
    task = asyncio.create_task(sync_to_async(drop_dead)())
    _dropping.add(task)
    task.add_done_callback(_dropping.discard)
    return await call_next()
