"""A worker's checkpointer: LangGraph's tables, written in one statement and only by the run's owner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from runs.exceptions import RunLost

# The run, and its attempt, whose nodes the current task executes.
owner: ContextVar[tuple[UUID, int]] = ContextVar("owner")

# Called with what was asked of the run meanwhile. The worker is told that anyway, but not before a next step.
heed: ContextVar[Callable[[str], None]] = ContextVar("heed")

# The run's row stays locked until the statement's end: no other worker takes the run over in between.
FENCE = """
WITH fence AS MATERIALIZED (
    SELECT cancel_action FROM runs_run
    WHERE id = %(run)s AND attempt = %(attempt)s AND status = 'running' FOR SHARE
)"""

PUT = f"""{FENCE}, blobs AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT %(thread_id)s, %(checkpoint_ns)s, b.channel, b.version, b.type, b.blob
    FROM fence, unnest(%(channels)s::text[], %(versions)s::text[], %(types)s::text[], %(blobs)s::bytea[])
        AS b (channel, version, type, blob)
    ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
)
INSERT INTO checkpoints
    (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
SELECT %(thread_id)s, %(checkpoint_ns)s, %(checkpoint_id)s, %(parent_id)s, %(checkpoint)s, %(metadata)s
FROM fence
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
DO UPDATE SET checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata
RETURNING (SELECT cancel_action FROM fence) AS cancel_action
"""  # nosec B608  (constants)

PUT_WRITES = f"""{FENCE}, written AS (
    INSERT INTO checkpoint_writes
        (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
    SELECT %(thread_id)s, %(checkpoint_ns)s, %(checkpoint_id)s, %(task_id)s, %(task_path)s,
        w.idx, w.channel, w.type, w.blob
    FROM fence, unnest(%(indexes)s::int[], %(channels)s::text[], %(types)s::text[], %(blobs)s::bytea[])
        AS w (idx, channel, type, blob)
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) {{on_conflict}}
)
SELECT cancel_action FROM fence
"""  # nosec B608  (constants)
# As in LangGraph's saver: what a node wrote first stands, but of an interrupt or an answer the latest.
KEEP_WRITES = PUT_WRITES.format(on_conflict="DO NOTHING")
REPLACE_WRITES = PUT_WRITES.format(
    on_conflict="DO UPDATE SET channel = EXCLUDED.channel, type = EXCLUDED.type, blob = EXCLUDED.blob"
)


class RunSaver(AsyncPostgresSaver):
    """Writes raise RunLost when the run that makes them is not this attempt's any more, and write nothing.

    Unlike its base, it uses as many of the pool's connections at a time as there are runs that want one.
    """

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        super().__init__(pool)
        self._pool = pool

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[AsyncCursor[DictRow]]:
        async with (
            self._pool.connection() as connection,
            connection.cursor(binary=True, row_factory=dict_row) as cursor,
        ):
            yield cursor

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        place = config["configurable"]
        inline, blobs = _split(checkpoint["channel_values"])
        channels = [channel for channel in new_versions if channel in blobs]
        dumped = [self.serde.dumps_typed(blobs[channel]) for channel in channels]
        identity = {
            "thread_id": place["thread_id"],
            "checkpoint_ns": place["checkpoint_ns"],
            "checkpoint_id": checkpoint["id"],
        }
        await self._execute(
            PUT,
            identity
            | {
                "parent_id": place.get("checkpoint_id"),
                "channels": channels,
                "versions": [str(new_versions[channel]) for channel in channels],
                "types": [kind for kind, _ in dumped],
                "blobs": [blob for _, blob in dumped],
                "checkpoint": Jsonb({**checkpoint, "channel_values": inline}),
                "metadata": Jsonb(get_serializable_checkpoint_metadata(config, metadata)),
            },
        )
        return {"configurable": identity}

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        place = config["configurable"]
        dumped = [self.serde.dumps_typed(value) for _, value in writes]
        replace = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        await self._execute(
            REPLACE_WRITES if replace else KEEP_WRITES,
            {
                "thread_id": place["thread_id"],
                "checkpoint_ns": place["checkpoint_ns"],
                "checkpoint_id": place["checkpoint_id"],
                "task_id": task_id,
                "task_path": task_path,
                "indexes": [WRITES_IDX_MAP.get(channel, place) for place, (channel, _) in enumerate(writes)],
                "channels": [channel for channel, _ in writes],
                "types": [kind for kind, _ in dumped],
                "blobs": [blob for _, blob in dumped],
            },
        )

    async def _execute(self, statement: str, parameters: dict[str, Any]) -> None:
        run_id, attempt = owner.get()
        async with self._cursor() as cursor:
            await cursor.execute(statement, {**parameters, "run": run_id, "attempt": attempt})
            row = await cursor.fetchone()
        if row is None:
            raise RunLost(run_id)
        if row["cancel_action"]:
            heed.get()(row["cancel_action"])


def _split(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands in the checkpoint itself, and what in blobs beside it, as LangGraph's saver reads them.

    A text with a NUL, which jsonb cannot hold, is a blob too.
    """
    inline: dict[str, Any] = {}
    blobs: dict[str, Any] = {}
    for channel, value in values.items():
        if isinstance(value, _DeltaSnapshot):
            blobs[channel], inline[channel] = value, True
        elif value is None or (isinstance(value, (str, int, float, bool)) and "\0" not in str(value)):
            inline[channel] = value
        else:
            blobs[channel] = value
    return inline, blobs
