"""The checkpoints of a thread as a timeline: which step changed what, without reading any values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from django.utils.dateparse import parse_datetime

from threads import state
from threads.encoding import encode
from threads.models import Thread
from threads.visibility import hidden_keys

PER_PAGE = 25
# Bytes of stored values, more than which a step is not compared with the one before.
MAX_COMPARED = 5_000_000

SELECT = """
SELECT jsonb_build_object(
    'id', c.checkpoint_id, 'at', c.checkpoint -> 'ts',
    'source', c.metadata -> 'source', 'step', c.metadata -> 'step',
    'versions', c.checkpoint -> 'channel_versions', 'seen', c.checkpoint -> 'versions_seen',
    'parent', p.checkpoint_id, 'parent_step', p.metadata -> 'step',
    'parent_versions', p.checkpoint -> 'channel_versions', 'parent_seen', p.checkpoint -> 'versions_seen'
)
FROM checkpoints c
LEFT JOIN checkpoints p
    ON p.thread_id = c.thread_id AND p.checkpoint_ns = '' AND p.checkpoint_id = c.parent_checkpoint_id
WHERE c.thread_id = %s AND c.checkpoint_ns = '' AND """
STEPS = f"{SELECT} (%s = '' OR c.checkpoint_id < %s) ORDER BY c.checkpoint_id DESC LIMIT %s"
# Ids begin with the time of their making.
OF_RUN = f"""{SELECT} c.checkpoint_id BETWEEN %s AND %s AND c.metadata ->> 'run_id' = %s
ORDER BY c.checkpoint_id LIMIT %s"""
SIZE = """
SELECT coalesce(sum(octet_length(b.blob)), 0)::bigint
FROM checkpoints c
CROSS JOIN LATERAL jsonb_each_text(c.checkpoint -> 'channel_versions') v
JOIN checkpoint_blobs b
    ON b.thread_id = c.thread_id AND b.checkpoint_ns = '' AND b.channel = v.key AND b.version = v.value
WHERE c.thread_id = %s AND c.checkpoint_ns = '' AND c.checkpoint_id = %s
"""

EXISTS = """
SELECT 1 FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = '' AND checkpoint_id = %s
"""


@dataclass(frozen=True)
class Step:
    """A checkpoint. ``nodes`` have led to it, ``changed`` are the keys of the state that they wrote.

    ``parent_id`` is None where there is none any more. ``is_fork``: it does not follow the checkpoint that
    was made before it.
    """

    checkpoint_id: str
    parent_id: str | None
    parent_number: int | None
    at: datetime | None
    source: str
    number: int | None
    nodes: list[str]
    changed: list[str]
    is_fork: bool = False


@dataclass(frozen=True)
class Change:
    """What became of one key. ``added`` is what a list grew by; else it was ``before`` and is ``after``."""

    key: str
    before: Any
    after: Any
    added: list[Any] | None = None


def steps(thread: Thread, before: str = "") -> tuple[list[Step], bool]:
    """A page of the thread's own checkpoints, newest first, and whether there are older ones."""
    graph = state.graph_of(thread)
    hidden = hidden_keys(graph) if graph is not None else set()
    rows = _rows(STEPS, [str(thread.pk), before, before, PER_PAGE + 1])
    found = [_step(row, hidden, older) for row, older in zip_longest(rows, rows[1:])]
    return found[:PER_PAGE], len(rows) > PER_PAGE


def of_run(thread: Thread, run_id: UUID, begun: datetime, ended: datetime, limit: int) -> list[Step]:
    """The checkpoints that a run has made in that time, oldest first."""
    margin = timedelta(minutes=1)  # between the clocks of processes
    between = [_first_id(begun - margin), _first_id(ended + margin)]
    return [_step(row) for row in _rows(OF_RUN, [str(thread.pk), *between, str(run_id), limit])]


def _first_id(time: datetime) -> str:
    """The first id that a checkpoint of that time may have, which is a UUID of version 6."""
    ticks = int((time - datetime(1582, 10, 15, tzinfo=UTC)) / timedelta(microseconds=1)) * 10
    return f"{ticks >> 28:08x}-{ticks >> 12 & 0xFFFF:04x}-6{ticks & 0xFFF:03x}"


def changes(thread: Thread, checkpoint_id: str) -> list[Change] | None:
    """What the step has changed, key by key. None if one of the two states is too large to be compared."""
    if is_large(thread, checkpoint_id):
        return None
    after: Any = state.read(thread, checkpoint={"checkpoint_id": checkpoint_id})
    parent = after["parent_checkpoint_id"]
    if parent and is_large(thread, parent):
        return None
    before = state.read(thread, checkpoint={"checkpoint_id": parent})["values"] if parent else {}
    return list(_compared(_plain(before), _plain(after["values"])))


def values(thread: Thread, checkpoint_id: str) -> dict[str, Any] | None:
    """The state at a checkpoint as JSON has it. None if it is too large."""
    if is_large(thread, checkpoint_id):
        return None
    return _plain(state.read(thread, checkpoint={"checkpoint_id": checkpoint_id})["values"])


def exists(thread: Thread, checkpoint_id: str) -> bool:
    """Whether the checkpoint is one of the thread's own, not a subgraph's."""
    with connection.cursor() as cursor:
        cursor.execute(EXISTS, [str(thread.pk), checkpoint_id])
        return cursor.fetchone() is not None


def is_large(thread: Thread, checkpoint_id: str) -> bool:
    """Whether the state there is too large for a page. Reads no values."""
    with connection.cursor() as cursor:
        cursor.execute(SIZE, [str(thread.pk), checkpoint_id])
        sizes: Any = cursor.fetchone()
    return bool(sizes[0] > MAX_COMPARED)


def _compared(before: dict[str, Any], after: dict[str, Any]) -> Iterable[Change]:
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        had = old or []
        grew = isinstance(new, list) and isinstance(had, list) and new[: len(had)] == had
        yield Change(key, old, new, added=list(new or [])[len(had) :] if grew else None)


def _plain(values: Any) -> dict[str, Any]:
    """The values as JSON has them, under one key if the state is no object."""
    plain = orjson.loads(encode(values))
    return plain if isinstance(plain, dict) else {"values": plain}


def _rows(statement: str, parameters: list[Any]) -> list[dict[str, Any]]:
    """What SELECT makes an object of, which Django leaves as text."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [orjson.loads(text) for (text,) in cursor.fetchall()]


def _step(row: dict[str, Any], hidden: Iterable[str] = (), older: dict[str, Any] | None = None) -> Step:
    """``older`` is the row of the checkpoint that was made before it, if that is known."""
    return Step(
        checkpoint_id=row["id"],
        parent_id=row["parent"],
        parent_number=row["parent_step"],
        at=parse_datetime(row["at"]) if row["at"] else None,
        source=str(row["source"] or ""),
        number=row["step"],
        nodes=_changed(row["seen"], row["parent_seen"]),
        changed=_changed(row["versions"], row["parent_versions"], hidden),
        is_fork=older is not None and row["parent"] not in (None, older["id"]),
    )


def _changed(
    now: dict[str, Any] | None, before: dict[str, Any] | None, hidden: Iterable[str] = ()
) -> list[str]:
    """The keys whose versions are others than before, but not LangGraph's own."""
    return [
        key
        for key, version in sorted((now or {}).items())
        if (before or {}).get(key) != version and not key.startswith(("__", "branch:")) and key not in hidden
    ]
