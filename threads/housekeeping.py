"""Where tasks run that clean up: in threads of their own, for those of nodes may all be taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import ParamSpec

from assistants.connections import ClosingExecutor

THREADS = 2

P = ParamSpec("P")

_executor = ClosingExecutor(THREADS, "housekeeping")


def aside(task: Callable[P, None]) -> Callable[P, Awaitable[None]]:
    """The task for a worker's loop. A worker that stops does not wait for one that has not begun."""

    @wraps(task)
    async def asynchronous(*args: P.args, **kwargs: P.kwargs) -> None:
        await asyncio.get_running_loop().run_in_executor(_executor, partial(task, *args, **kwargs))

    return asynchronous
