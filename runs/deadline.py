"""The end of a process, whatever goes on in it."""

from __future__ import annotations

import logging
import os
import sys
import threading

logger = logging.getLogger(__name__)


class Deadline:
    """Ends the process if it has not ended by itself.

    Python's own way out waits for every thread, and asyncio's for every task that will not be cancelled.
    """

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def set(self, seconds: float, *, status: int, reason: str) -> None:
        """In place of the deadline that was set before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._end, (status, reason))
        self._timer.daemon = True
        self._timer.start()

    def _end(self, status: int, reason: str) -> None:
        logger.warning(reason)
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
