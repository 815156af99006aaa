"""Threads that keep no database connections."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")


def close_all() -> None:
    """Close this thread's database connections, but for one inside a transaction."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


class ClosingExecutor(ThreadPoolExecutor):
    """After each call, its thread's database connections are closed.

    Django closes connections at the end of a request; a worker's threads see none and would keep one each.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        def call() -> T:
            try:
                return fn(*args, **kwargs)
            finally:
                close_all()

        return super().submit(call)
