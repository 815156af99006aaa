"""Database connections that outlive what they were opened for, and such as must not."""

from __future__ import annotations

import asyncio
import logging
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ParamSpec, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections, transaction
from django.db import connection as default_connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.psycopg_connector import PsycopgConnector
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolClosed
from psycopg_pool.pool_async import AddConnection

from assistants.database import PREPARE_THRESHOLD
from runs.conf import conf

logger = logging.getLogger(__name__)

RECONNECT_SECONDS = 1
# A prepared statement whose arrays may have any length is else planned each time, which takes longer than to
# execute it: here all are for a row, a run or a thread, and go by its index whatever the values.
PLAN_ONCE = "SET plan_cache_mode TO force_generic_plan"

UNREACHABLE = (psycopg.OperationalError, psycopg.InterfaceError, OperationalError, InterfaceError)
# Of these, what time does not heal: values beyond the database's limits, and a worker that has ended.
HOPELESS = (psycopg.errors.ProgramLimitExceeded, PoolClosed)

P = ParamSpec("P")
T = TypeVar("T")


def pooled() -> dict[str, Any]:
    """Parameters of connections that keep nothing between two transactions, so that a pooler may share them.

    Where there is a pooler they prepare no statements, for the next one may be executed elsewhere.
    """
    threshold = None if conf.SKEINO_DIRECT_DATABASE_URL else PREPARE_THRESHOLD
    return connector_params(DEFAULT_DB_ALIAS) | {"prepare_threshold": threshold}


def direct() -> dict[str, Any]:
    """Parameters of connections that listen, or set something for the session: past the pooler."""
    if not conf.SKEINO_DIRECT_DATABASE_URL:
        return connector_params(DEFAULT_DB_ALIAS) | {"prepare_threshold": PREPARE_THRESHOLD}
    return {**conninfo_to_dict(conf.SKEINO_DIRECT_DATABASE_URL), "client_encoding": "UTF8"}


async def plan_once(connection: AsyncConnection[Any]) -> None:
    await connection.execute(PLAN_ONCE)


class WorkerPool(AsyncConnectionPool[Any]):
    """The connections that a worker's runs share. It hands out none that the server has closed.

    The pool's own ``check`` waits after each that is dead, and longer from one to the next: a worker whose
    connections were lost at once would take up its work again after a quarter of a minute (3.3).
    """

    def __init__(self, connect_kwargs: dict[str, Any]) -> None:
        kwargs, most = connect_kwargs | {"autocommit": True}, conf.SKEINO_WORKER_POOL_SIZE
        prepares = connect_kwargs["prepare_threshold"] is not None
        configure = plan_once if prepares else None
        super().__init__(kwargs=kwargs, min_size=2, max_size=most, open=False, configure=configure)

    async def getconn(self, timeout: float | None = None) -> AsyncConnection[Any]:
        while is_dead(connection := await super().getconn(timeout)):
            await connection.close()  # or the pool takes it for a good one again
            await self.putconn(connection)
        return connection

    async def schedule_task(self, task: Any, delay: float) -> None:
        """Connect again soon. The pool's own attempts are further and further apart, up to minutes."""
        if isinstance(task, AddConnection):
            delay = min(delay, RECONNECT_SECONDS)
        await super().schedule_task(task, delay)


class QueueConnector(PsycopgConnector):
    """procrastinate's, but that it listens on a direct connection."""

    @asynccontextmanager
    async def _get_standalone_connection(self) -> AsyncIterator[AsyncConnection]:
        async with await AsyncConnection.connect(**direct(), autocommit=True) as connection:
            yield connection


def is_dead(connection: Connection | AsyncConnection) -> bool:
    """Whether the server has closed an idle connection, found out at no round trip.

    Between queries a live server sends nothing, so a readable socket is one that was closed.
    """
    if connection.closed:
        return True
    poll = select.poll()  # unlike `select`, for any number of open files
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def drop_dead() -> None:
    """Close this thread's database connections that the server has closed."""
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None and is_dead(connection.connection):
            connection.close()


@contextmanager
def bounded(seconds: float) -> Iterator[CursorWrapper]:
    """A cursor in a transaction of which no statement may take longer; else it raises OperationalError."""
    with transaction.atomic(), default_connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds * 1000:.0f}"])
        yield cursor


async def persistently(call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what a second call does no harm, until the database has answered."""
    while True:
        try:
            return await call(*args, **kwargs)
        except (*UNREACHABLE, ConnectorException) as exc:
            cause = exc.__cause__ or exc  # Django and procrastinate wrap psycopg's
            if not isinstance(cause, UNREACHABLE) or isinstance(cause, HOPELESS):
                raise
            logger.warning("The database cannot be reached, trying again: %s", cause)
            await asyncio.sleep(RECONNECT_SECONDS)


class DatabaseThreads:
    """A few threads for others to call the models' verbs in, each on a connection that lasts."""

    def __init__(self, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, "database")
        self._connections: set[BaseDatabaseWrapper] = set()

    async def call(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """If this is cancelled, the verb goes on all the same."""
        return await asyncio.wrap_future(self.submit(verb, *args, **kwargs))

    def submit(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        def call() -> T:
            drop_dead()
            try:
                return verb(*args, **kwargs)
            finally:
                self._connections.update(connections.all(initialized_only=True))

        return self._executor.submit(call)

    def close(self) -> None:
        self._executor.shutdown()
        for connection in self._connections:
            connection.inc_thread_sharing()  # its own thread has ended
            connection.close()
