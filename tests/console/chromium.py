"""The Chromium in which the admin is tried: the machine's own, or the one that playwright has installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MISSING = (
    "there is no Chromium on this machine: apt-get install chromium, or python -m playwright install chromium"
)
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """The path of its executable."""
    own = next((path for name in NAMES if (path := shutil.which(name))), None)
    if own is not None:
        return own
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    installed = sorted(path for path in cache.glob("chromium-*/chrome-linux*/chrome") if path.is_file())
    return str(installed[-1]) if installed else None
