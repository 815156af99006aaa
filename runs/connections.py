from __future__ import annotations

import select

from django.db import connections


def drop_dead() -> None:
    """Close this thread's database connections that the server has closed, at no round trip.

    Between queries a live server sends nothing, so a readable socket is one that was closed.
    """
    for connection in connections.all(initialized_only=True):
        raw = connection.connection
        if raw is not None and (raw.closed or select.select([raw.fileno()], [], [], 0)[0]):
            connection.close()


def close_all() -> None:
    """Close this thread's database connections, but for one inside a transaction."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
