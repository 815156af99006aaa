"""Where synchronous nodes and tools are executed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from runs.connections import close_all

P = ParamSpec("P")
T = TypeVar("T")


class NodeExecutor(ThreadPoolExecutor):
    """The threads of synchronous nodes and tools. After each call, their database connections are closed.

    Django closes connections at the end of a request; a worker's threads see none and would keep one each.
    """

    def __init__(self, max_workers: int) -> None:
        super().__init__(max_workers, "node")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        def call() -> T:
            try:
                return fn(*args, **kwargs)
            finally:
                close_all()

        return super().submit(call)
