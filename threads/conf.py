from __future__ import annotations

from typing import Any, Literal

from django.conf import settings
from pydantic import ImportString, PositiveInt


class Settings:
    """Shadows Django's settings: typed, with defaults, read on every access."""

    @property
    def SKEINO_ALLOW_ANONYMOUS(self) -> bool:
        """Whether requests without credentials may use the API. They share the threads that nobody owns."""
        return getattr(settings, "SKEINO_ALLOW_ANONYMOUS", settings.DEBUG)

    @property
    def SKEINO_THREAD_POLICY(self) -> ImportString[Any]:
        """The dotted path of the class that says who may do what with which thread."""
        return getattr(settings, "SKEINO_THREAD_POLICY", "threads.policy.ThreadPolicy")

    @property
    def SKEINO_MAX_METADATA_BYTES(self) -> PositiveInt:
        """How large the metadata in a request may be, as JSON."""
        return getattr(settings, "SKEINO_MAX_METADATA_BYTES", 64 * 1024)

    @property
    def SKEINO_MODEL_PERMISSIONS(self) -> bool:
        """Whether the API asks for Django's permissions, as the admin does. Who has no account has none."""
        return getattr(settings, "SKEINO_MODEL_PERMISSIONS", False)

    @property
    def SKEINO_SEARCH_MESSAGES(self) -> bool:
        """Whether the words of all messages are kept in an index, for the search in the admin."""
        return getattr(settings, "SKEINO_SEARCH_MESSAGES", True)

    @property
    def SKEINO_COPY(self) -> Literal["latest", "history"]:
        """What a copy of a thread has: its ``latest`` state, or its whole ``history``."""
        return getattr(settings, "SKEINO_COPY", "latest")


conf = Settings()
