from __future__ import annotations

from django.conf import settings
from pydantic import PositiveInt

THROTTLE_RATES: dict[str, str | None] = {
    "user_read": "3000/min",
    "user_write": "1200/min",
    "user_run": "600/min",
    "anonymous_read": "1200/min",
    "anonymous_write": "600/min",
    "anonymous_run": "120/min",
}


class Settings:
    """Shadows Django's settings: typed, with defaults, read on every access."""

    @property
    def SKEINO_WELCOME_MESSAGE(self) -> str:
        """What chat clients show before the first message."""
        return getattr(settings, "SKEINO_WELCOME_MESSAGE", "Hello! How can I help you?")

    @property
    def SKEINO_MAX_JSON_DEPTH(self) -> int:
        """How deep objects and lists in a request's body may nest."""
        return getattr(settings, "SKEINO_MAX_JSON_DEPTH", 100)

    @property
    def SKEINO_MAX_STRING_LENGTH(self) -> PositiveInt:
        """How many characters a string in a request's body may have."""
        return getattr(settings, "SKEINO_MAX_STRING_LENGTH", 15 * 1024 * 1024)

    @property
    def SKEINO_THROTTLE_RATES(self) -> dict[str, str | None]:
        """How many requests are answered in a time, such as ``100/min``: by who asks and for what.

        They are counted in Django's default cache. What is not named is not limited.
        """
        return getattr(settings, "SKEINO_THROTTLE_RATES", THROTTLE_RATES)

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
