from __future__ import annotations

from django.conf import settings
from pydantic import PositiveInt


class Settings:
    """Shadows Django's settings: typed, with defaults, read on every access."""

    @property
    def SKEINO_WEB_THREADS(self) -> PositiveInt:
        """How many requests a web process works on at a time, each on a database connection of its own.

        Requests that stream or wait for a run do not count.
        """
        return getattr(settings, "SKEINO_WEB_THREADS", 8)

    @property
    def SKEINO_WEB_PROCESSES(self) -> PositiveInt:
        """How many web processes there are: what the database's connections are reckoned with."""
        return getattr(settings, "SKEINO_WEB_PROCESSES", 1)

    @property
    def SKEINO_WORKER_PROCESSES(self) -> PositiveInt:
        """How many worker processes there are, on all machines together. As above."""
        return getattr(settings, "SKEINO_WORKER_PROCESSES", 1)


conf = Settings()
