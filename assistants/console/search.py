"""Searches that indexes can answer."""

from __future__ import annotations

import string
import uuid

# Fewer digits of an id would find too much.
MIN_DIGITS = 8


def id_range(text: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """The first and the last UUID that begin with the text; None if no id begins so."""
    digits = text.strip().lower().replace("-", "")
    if not MIN_DIGITS <= len(digits) <= 32 or not set(digits) <= set(string.hexdigits):
        return None
    return uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
