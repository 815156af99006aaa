from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings


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
        return Path(getattr(settings, "SKEINO_LANGGRAPH_JSON", "langgraph.json")).resolve()

    @property
    def SKEINO_DEFAULT_ASSISTANT(self) -> str | None:
        return getattr(settings, "SKEINO_DEFAULT_ASSISTANT", None)


conf = Settings()
