"""A SECRET_KEY for installations that did not bring one: made on first use, kept in the data folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def read_or_create(path: Path) -> str:
    """The key in the file, readable by its owner alone. Safe when several processes start at once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(get_random_secret_key())
        try:
            os.link(draft, path)  # fails if another process was first: then its key is the key
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
    return path.read_text().strip()
