from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

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
    def SKEINO_GRAPHS(self) -> dict[str, Any]:
        """Graphs by id. Each is ``"package.module:variable"``, ``"./file.py:variable"`` or the object itself.

        When it is empty, the graphs come from SKEINO_LANGGRAPH_JSON.
        """
        return getattr(settings, "SKEINO_GRAPHS", {})

    @property
    def SKEINO_LANGGRAPH_JSON(self) -> Path:
        """Where a relative one is, the working directory of the first access decides."""
        return _resolved(getattr(settings, "SKEINO_LANGGRAPH_JSON", "langgraph.json"))

    @property
    def SKEINO_DEFAULT_ASSISTANT(self) -> str | None:
        return getattr(settings, "SKEINO_DEFAULT_ASSISTANT", None)

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


@cache  # every run asks for it, and each look at the disk lets other threads run first
def _resolved(path: str | Path) -> Path:
    return Path(path).resolve()


conf = Settings()
