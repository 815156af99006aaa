"""Questions about the server whose answers are not waited for long, whatever the database does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

from runs.connections import DatabaseThreads

T = TypeVar("T")


class Probe(Generic[T]):
    """A question to the database, asked in a thread with a connection of its own.

    Those who ask while it is being answered get the same answer: any number of them costs one look.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._lock = Lock()
        self._threads: DatabaseThreads | None = None
        self._looking: Future[T] | None = None

    def answer(self, seconds: float) -> T:
        """Raises TimeoutError when there is none in time, else what looking raises."""
        with self._lock:
            self._threads = self._threads or DatabaseThreads(1)
            if self._looking is None or self._looking.done():
                self._looking = self._threads.submit(self._look)
            looking = self._looking
        return looking.result(seconds)

    def close(self) -> None:
        """Close the connection. The next question opens another."""
        with self._lock:
            if self._threads is not None:
                self._threads.close()
            self._threads = None
