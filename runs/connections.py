"""Database connections that outlive what they were opened for, and such as must not."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from django.db import connection as default_connection
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import AsyncConnection, Connection

P = ParamSpec("P")
T = TypeVar("T")


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


def close_all() -> None:
    """Close this thread's database connections, but for one inside a transaction."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


@contextmanager
def bounded(seconds: float) -> Iterator[CursorWrapper]:
    """A cursor in a transaction of which no statement may take longer; else it raises OperationalError."""
    with transaction.atomic(), default_connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds * 1000:.0f}"])
        yield cursor


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
