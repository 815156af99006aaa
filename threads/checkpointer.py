"""Where checkpoints are kept: LangGraph's own tables, in the database of the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import Cursor
from psycopg.pq import Format
from psycopg.rows import DictRow, dict_row

# What LangGraph's savers select, value by value. Theirs joins a checkpoint's versions to the thread's values,
# and Postgres takes all of those, of all checkpoints, for each checkpoint it reads.
SELECT_CHECKPOINTS = """
SELECT thread_id, checkpoint, checkpoint_ns, checkpoint_id, parent_checkpoint_id, metadata, (
    SELECT array_agg(ARRAY[convert_to(b.channel, 'UTF8'), b.type::bytea, b.blob])
    FROM jsonb_each_text(checkpoint -> 'channel_versions') v CROSS JOIN LATERAL (
        SELECT channel, type, blob FROM checkpoint_blobs
        WHERE thread_id = checkpoints.thread_id AND checkpoint_ns = checkpoints.checkpoint_ns
        AND channel = v.key AND version = v.value
        LIMIT 1
    ) b
) AS channel_values, (
    SELECT array_agg(ARRAY[
        w.task_id::bytea, convert_to(w.channel, 'UTF8'), w.type::bytea, w.blob,
        convert_to(w.task_path, 'UTF8'), w.idx::text::bytea
    ])
    FROM checkpoint_writes w
    WHERE w.thread_id = checkpoints.thread_id AND w.checkpoint_ns = checkpoints.checkpoint_ns
    AND w.checkpoint_id = checkpoints.checkpoint_id
) AS pending_writes
FROM checkpoints """


class DjangoSaver(PostgresSaver):
    """The checkpointer of requests and commands: on Django's connection, in Django's transaction.

    For the length of one request; not to be kept. Workers use the asynchronous saver on their own pool.
    """

    SELECT_SQL = SELECT_CHECKPOINTS

    def __init__(self) -> None:
        connection.ensure_connection()
        super().__init__(connection.connection)

    @contextmanager
    def _cursor(self, *, pipeline: bool = False) -> Iterator[Cursor[DictRow]]:
        # Django's own cursors bind on the client side and cannot read binary results. No pipeline: it would
        # end in a sync, and that in a commit of whatever transaction Django has open.
        with self.lock, Cursor(self.conn, row_factory=dict_row) as cursor:  # type: ignore[arg-type]
            cursor.format = Format.BINARY
            yield cursor


def setup() -> None:
    """Make the tables, or bring them up to what the installed library expects. Run by every ``migrate``."""
    DjangoSaver().setup()


def delete(thread_ids: Sequence[str]) -> None:
    """Delete all checkpoints, values and writes of the threads, their subgraphs' too."""
    if thread_ids:
        DjangoSaver().prune(thread_ids, strategy="delete")


# The columns of LangGraph's tables behind the thread's id.
TABLES = {
    "checkpoints": "checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata",
    "checkpoint_blobs": "checkpoint_ns, channel, version, type, blob",
    "checkpoint_writes": "checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob",
}

# Of every namespace the latest checkpoint, as the first of its thread, with its values and its writes.
COPY_LATEST = """
WITH latest AS (
    SELECT DISTINCT ON (checkpoint_ns) checkpoint_ns, checkpoint_id, type, checkpoint, metadata
    FROM checkpoints WHERE thread_id = %(source)s ORDER BY checkpoint_ns, checkpoint_id DESC
), copied AS (
    INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, type, checkpoint, metadata)
    SELECT %(target)s, checkpoint_ns, checkpoint_id, type, checkpoint, metadata FROM latest
), values AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT %(target)s, b.checkpoint_ns, b.channel, b.version, b.type, b.blob
    FROM latest l
    CROSS JOIN LATERAL jsonb_each_text(l.checkpoint -> 'channel_versions') v
    JOIN checkpoint_blobs b
        ON b.thread_id = %(source)s AND b.checkpoint_ns = l.checkpoint_ns
        AND b.channel = v.key AND b.version = v.value
)
INSERT INTO checkpoint_writes
    (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
SELECT %(target)s, w.checkpoint_ns, w.checkpoint_id, w.task_id, w.task_path, w.idx, w.channel, w.type, w.blob
FROM latest l
JOIN checkpoint_writes w
    ON w.thread_id = %(source)s AND w.checkpoint_ns = l.checkpoint_ns AND w.checkpoint_id = l.checkpoint_id
"""


def copy(source: str, target: str, *, history: bool) -> None:
    """Give the thread ``target``, which has none, the checkpoints of ``source``: the latest, or all.

    Checkpoints keep their ids.
    """
    with connection.cursor() as cursor:
        if not history:
            cursor.execute(COPY_LATEST, {"source": source, "target": target})
            return
        for table, columns in TABLES.items():
            cursor.execute(
                f"INSERT INTO {table} (thread_id, {columns}) "  # nosec B608  (names of our own)
                f"SELECT %s, {columns} FROM {table} WHERE thread_id = %s",
                [target, source],
            )


def prune(thread_ids: Sequence[str]) -> None:
    """Delete all checkpoints of the threads but the latest. Raises NotImplementedError for what cannot be."""
    if thread_ids:
        DjangoSaver().prune(thread_ids, strategy="keep_latest")
