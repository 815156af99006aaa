"""A worker's checkpointer: LangGraph's tables, written in one statement and only by the run's owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from runs.checkpoint_statements import (
    BEGUN,
    CHECKPOINT,
    COMMAND,
    KEEP_WRITES,
    REPLACE_WRITES,
    fenced,
)
from runs.connections import persistently
from runs.exceptions import RunLost
from threads.checkpointer import SELECT_CHECKPOINTS


@dataclass
class Owner:
    """The attempt of a run that writes, and what is called when a write finds something out.

    ``heed``: what has been asked of the run; its worker is told that anyway, but not before a next step.
    ``lost``: the run is not this attempt's any more. ``blank_thread``: that of the run, as long as it has no
    checkpoint; nobody else writes any.
    """

    run_id: UUID
    attempt: int
    heed: Callable[[str], None]
    lost: Callable[[], None]
    blank_thread: str | None = None
    waiting: list[Writes] = field(default_factory=list)


# Whose nodes the current task executes.
owner: ContextVar[Owner] = ContextVar("owner")


class Writes(NamedTuple):
    """What a node has written and waits to be executed. ``is_taken``: whether a checkpoint took it along."""

    text: str  # of the statement's part
    parameters: dict[str, Any]
    is_taken: asyncio.Future[bool]


class RunSaver(AsyncPostgresSaver):
    """Writes raise RunLost when the run that makes them is not this attempt's any more, and write nothing.

    Unlike its base, it uses as many of the pool's connections at a time as there are runs that want one.
    """

    SELECT_SQL = SELECT_CHECKPOINTS

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
        parameters = identity | {
            "parent_id": place.get("checkpoint_id"),
            "channels": channels,
            "versions": [str(new_versions[channel]) for channel in channels],
            "types": [kind for kind, _ in dumped],
            "blobs": [blob for _, blob in dumped],
            "checkpoint": Jsonb({**checkpoint, "channel_values": inline}),
            "metadata": Jsonb(get_serializable_checkpoint_metadata(config, metadata)),
        }
        if not (waiting := owner.get().waiting):
            await self._execute(parameters, CHECKPOINT)
            return {"configurable": identity}
        writes, is_written = waiting.pop(), False
        try:
            await self._execute(parameters | writes.parameters, writes.text, CHECKPOINT)
            is_written = True
        finally:
            if not writes.is_taken.done():
                writes.is_taken.set_result(is_written)
        return {"configurable": identity}

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """A step's last writes and the checkpoint that ends it come at once, and go in one statement."""
        place = config["configurable"]
        dumped = [self.serde.dumps_typed(value) for _, value in writes]
        replace = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        text = REPLACE_WRITES if replace else KEEP_WRITES
        parameters = {
            "write_thread_id": place["thread_id"],
            "write_ns": place["checkpoint_ns"],
            "written_id": place["checkpoint_id"],
            "task_id": task_id,
            "task_path": task_path,
            "indexes": [WRITES_IDX_MAP.get(channel, place) for place, (channel, _) in enumerate(writes)],
            "write_channels": [channel for channel, _ in writes],
            "write_types": [kind for kind, _ in dumped],
            "write_blobs": [blob for _, blob in dumped],
        }
        waiting = owner.get().waiting
        waiting.append(own := Writes(text, parameters, asyncio.get_running_loop().create_future()))
        try:
            await asyncio.sleep(0)
        finally:
            if is_left := own in waiting:
                waiting.remove(own)
        if is_left or not await own.is_taken:
            await self._execute(parameters, text)

    async def has_begun(self, run_id: UUID, thread_id: UUID) -> bool:
        """Whether what the run was asked to do is written, so that it goes on without being asked again.

        Its checkpoint need not be the latest: the state may have been edited since.
        """

        async def read() -> bool:
            async with self._cursor() as cursor:
                parameters = {"run": run_id, "thread": str(thread_id), "command": COMMAND}
                found = await (await cursor.execute(BEGUN, parameters)).fetchone()
                return bool(found and found["begun"])

        return await persistently(read)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        reader = owner.get(None)
        if reader is not None and config["configurable"]["thread_id"] == reader.blank_thread:
            return None
        return await persistently(super().aget_tuple, config)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return await persistently(super().aget_delta_channel_history, config=config, channels=channels)

    async def _load_checkpoint_tuple(self, value: DictRow) -> CheckpointTuple:
        # Not in a thread, as the base does: they may all be taken by nodes.
        place = {key: value[key] for key in ("thread_id", "checkpoint_ns", "checkpoint_id")}
        parent = {**place, "checkpoint_id": value["parent_checkpoint_id"]}
        values = {
            **(value["checkpoint"].get("channel_values") or {}),
            **self._load_blobs(value["channel_values"]),
        }
        return CheckpointTuple(
            config={"configurable": place},
            checkpoint=value["checkpoint"] | {"channel_values": values},
            metadata=value["metadata"],
            parent_config={"configurable": parent} if value["parent_checkpoint_id"] else None,
            pending_writes=self._load_writes(value["pending_writes"]),
        )

    async def _execute(self, parameters: dict[str, Any], *parts: str) -> None:
        writer, statement = owner.get(), fenced(*parts)
        writer.blank_thread = None

        async def write() -> DictRow | None:
            async with self._cursor() as cursor:
                fence = {"run": writer.run_id, "attempt": writer.attempt}
                await cursor.execute(statement, {**parameters, **fence})
                return await cursor.fetchone()

        await asyncio.sleep(0)  # events that have just come are sent first: somebody waits for them
        row = await persistently(write)  # a second time does no harm
        if row is None:
            writer.lost()
            raise RunLost(writer.run_id)
        if row["cancel_action"]:
            writer.heed(row["cancel_action"])


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
