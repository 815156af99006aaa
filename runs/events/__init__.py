"""The log of runs' events: appended by workers, followed by streams, woken by Postgres notifications."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db import connection

# The event that closes a log. It is for followers; no client sees it.
END = "end"

CHANNEL = "skeino_run_events"

# A notification's payload may have 8,000 bytes; an id takes 36 and a comma.
RUNS_PER_NOTIFICATION = 200


def payload(run_ids: Iterable[uuid.UUID]) -> str:
    return ",".join(map(str, run_ids))


def notify(run_ids: list[uuid.UUID]) -> None:
    """Wake the followers of these runs, when the open transaction commits. At most RUNS_PER_NOTIFICATION."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload(run_ids)])
