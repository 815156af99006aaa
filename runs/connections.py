"""Database connections that outlive what they were opened for, and such as must not."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
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


class DatabaseThreads:
    """A few threads for coroutines to call the models' verbs in, each on a connection that lasts."""

    def __init__(self, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, "database")
        self._connections: set[BaseDatabaseWrapper] = set()

    async def call(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """If this is cancelled, the verb goes on all the same."""

        def call() -> T:
            drop_dead()
            try:
                return verb(*args, **kwargs)
            finally:
                self._connections.update(connections.all(initialized_only=True))

        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close(self) -> None:
        self._executor.shutdown()
        for connection in self._connections:
            connection.inc_thread_sharing()  # its own thread has ended
            connection.close()
