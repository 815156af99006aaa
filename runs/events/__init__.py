"""The log of runs' events: appended by workers, followed by streams, which notifications bring them to."""

from __future__ import annotations

# The event that closes a log. It is for followers; no client sees it.
END = "end"
