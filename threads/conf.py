from __future__ import annotations

from django.conf import settings


class Settings:
    """Shadows Django's settings: typed, with defaults, read on every access."""

    @property
    def SKEINO_ALLOW_ANONYMOUS(self) -> bool:
        """Whether requests without credentials may use the API. They share the threads that nobody owns."""
        return getattr(settings, "SKEINO_ALLOW_ANONYMOUS", settings.DEBUG)

    @property
    def SKEINO_COPY(self) -> str:
        """What a copy of a thread has: its ``latest`` state, or its whole ``history``."""
        return getattr(settings, "SKEINO_COPY", "latest")


conf = Settings()
