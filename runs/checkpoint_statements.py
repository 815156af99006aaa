"""What a run's steps write to LangGraph's tables: a checkpoint, a node's writes, or both at once."""

from __future__ import annotations

from functools import cache

# The run's row stays locked until the statement's end: no other worker takes the run over in between.
FENCE = """
WITH fence AS MATERIALIZED (
    SELECT cancel_action FROM runs_run
    WHERE id = %(run)s AND attempt = %(attempt)s AND status = 'running' FOR SHARE
)"""
FENCED = "SELECT cancel_action FROM fence"

CHECKPOINT = """, new_blobs AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT %(thread_id)s, %(checkpoint_ns)s, b.channel, b.version, b.type, b.blob
    FROM fence, unnest(%(channels)b::text[], %(versions)b::text[], %(types)b::text[], %(blobs)b::bytea[])
        AS b (channel, version, type, blob)
    ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
), new_checkpoint AS (
    INSERT INTO checkpoints
        (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
    SELECT %(thread_id)s, %(checkpoint_ns)s, %(checkpoint_id)s, %(parent_id)s, %(checkpoint)s, %(metadata)s
    FROM fence
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
    DO UPDATE SET checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata
)"""

# What a run puts on another's checkpoint can be undone: see `runs.undo`.
WRITES = """, written AS (
    SELECT w.* FROM fence,
        unnest(
            %(indexes)b::int[], %(write_channels)b::text[], %(write_types)b::text[], %(write_blobs)b::bytea[]
        ) AS w (idx, channel, type, blob)
), before AS (
    INSERT INTO runs_writebefore (run_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob)
    SELECT %(run)s, c.checkpoint_ns, c.checkpoint_id, %(task_id)s, w.idx, b.channel, b.type, b.blob
    FROM written w
    JOIN checkpoints c ON c.thread_id = %(write_thread_id)s AND c.checkpoint_ns = %(write_ns)s
        AND c.checkpoint_id = %(written_id)s AND c.metadata ->> 'run_id' IS DISTINCT FROM %(run)s::text
    LEFT JOIN checkpoint_writes b ON b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns
        AND b.checkpoint_id = c.checkpoint_id AND b.task_id = %(task_id)s AND b.idx = w.idx
    ON CONFLICT DO NOTHING
), put AS (
    INSERT INTO checkpoint_writes
        (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
    SELECT %(write_thread_id)s, %(write_ns)s, %(written_id)s, %(task_id)s, %(task_path)s,
        w.idx, w.channel, w.type, w.blob
    FROM written w
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) {on_conflict}
)"""
# As in LangGraph's saver: what a node wrote first stands, but of an interrupt or an answer the latest.
KEEP_WRITES = WRITES.format(on_conflict="DO NOTHING")
REPLACE_WRITES = WRITES.format(
    on_conflict="DO UPDATE SET channel = EXCLUDED.channel, type = EXCLUDED.type, blob = EXCLUDED.blob"
)

# By what a run was asked to do, or had been given: its first checkpoint, or a command's writes on another's.
BEGUN = """
SELECT EXISTS (
    SELECT 1 FROM checkpoints
    WHERE thread_id = %(thread)s AND checkpoint_ns = '' AND metadata ->> 'run_id' = %(run)s::text
) OR EXISTS (
    SELECT 1 FROM runs_writebefore WHERE run_id = %(run)s AND task_id = %(command)s AND channel IS NULL
) AS begun
"""
COMMAND = "00000000-0000-0000-0000-000000000000"  # LangGraph's task id for the writes of a command


@cache
def fenced(*parts: str) -> str:
    """One statement of those parts. It returns ``cancel_action``; no row: the run is another attempt's."""
    return f"{FENCE}{''.join(parts)}\n{FENCED}"
