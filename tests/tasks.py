"""The queue's tasks, without the queue."""

from __future__ import annotations

import inspect
from typing import Any


def execute_task(task: Any, timestamp: int = 0) -> None:
    """Do here what a periodic task does in a thread of its worker."""
    inspect.unwrap(task.func)(timestamp)
