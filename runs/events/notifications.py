"""What is told of a run's log when it has grown or ended: its new events, where they fit in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from runs.events import END
from runs.events.follower import Event

CHANNEL = "skeino_run_events"

# Bytes behind the run's id: Postgres takes no payload of 8,000.
MAX_TOLD = 7_900
ID_LENGTH = 36
# Of a run that has ended, or is gone. Who waits for the end alone is not woken before.
ENDED = "!"


class News(NamedTuple):
    """``events``: numbered without a gap. Without any there is something to read."""

    events: list[Event]
    has_ended: bool


def payloads(run_id: UUID, events: Sequence[Event]) -> list[str]:
    """For notifications, to be sent in order as the events are committed.

    An event that is too large is not told, nor is it left out in silence: its payload tells to read.
    """
    parts: list[bytearray] = []
    following = -1
    for seq, name, data in events:
        # So much of it is too large already, and the rest need not be encoded.
        pair = b"," + orjson.dumps([name, data[: MAX_TOLD + 1]])[1:-1]
        if seq != following or len(parts[-1]) + len(pair) > MAX_TOLD:
            parts.append(bytearray(b"[%d" % seq))
        parts[-1] += pair
        following = seq + 1
    told = [part.decode() + "]" if len(part) <= MAX_TOLD else "" for part in parts]
    if events and events[-1].event == END:
        told[-1] = ENDED + told[-1]
    return [f"{run_id}{text}" for text in told]


def run_of(payload: str) -> UUID:
    """Whose log it is about. Raises ValueError."""
    return UUID(payload[:ID_LENGTH])


def news_of(payload: str) -> News:
    """Raises ValueError."""
    told = payload[ID_LENGTH:]
    has_ended = told.startswith(ENDED)
    seq, *texts = orjson.loads(told.removeprefix(ENDED) or "[0]")
    pairs = zip(texts[::2], texts[1::2], strict=True)
    return News([Event(seq + place, *pair) for place, pair in enumerate(pairs)], has_ended)


def notify_end(run_id: UUID) -> None:
    """Wake the run's followers, when the open transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{run_id}{ENDED}"])
