"""The log of runs' events: appended by workers, followed by streams, woken by Postgres notifications."""

from __future__ import annotations

import uuid

from django.db import connection

# The event that closes a log. It is for followers; no client sees it.
END = "end"

CHANNEL = "skeino_run_events"

# A notification's payload may have 8,000 bytes; an id takes 36 and a comma.
RUNS_PER_NOTIFICATION = 200
# Behind the id of a run that has ended, or is gone. Who waits for the end alone is not woken before.
ENDED = "!"


def notify_end(run_id: uuid.UUID) -> None:
    """Wake the run's followers, when the open transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{run_id}{ENDED}"])
