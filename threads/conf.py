from __future__ import annotations

from typing import Literal

from django.conf import settings


class Settings:
    """Shadows Django's settings: typed, with defaults, read on every access."""

    @property
    def SKEINO_ALLOW_ANONYMOUS(self) -> bool:
        """Whether requests without credentials may use the API. They share the threads that nobody owns."""
        return getattr(settings, "SKEINO_ALLOW_ANONYMOUS", settings.DEBUG)

    @property
    def SKEINO_COPY(self) -> Literal["latest", "history"]:
        """What a copy of a thread has: its ``latest`` state, or its whole ``history``."""
        return getattr(settings, "SKEINO_COPY", "latest")


conf = Settings()
