"""The floor: the same graph in the process that measures, with LangGraph's own Postgres checkpointer.

No server, no queue, no log. What a server needs beyond that is its own cost.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from bench import graphs
from bench.client import Event, Events
from bench.targets import DURABILITY, Work, WrongAnswer

POOL_SIZE = 10


class Floor:
    def __init__(self, saver: AsyncPostgresSaver, token_mode: str) -> None:
        self.token_mode = token_mode
        self._saver, self._graph = saver, graphs.build(saver)

    async def create_thread(self, metadata: dict[str, str] | None = None) -> str:
        """Only an id: without a server there are no threads to store."""
        return str(uuid.uuid4())

    async def run(self, thread_id: str, work: Work) -> None:
        await self._graph.ainvoke(work.input, _config(thread_id), durability=DURABILITY)

    async def stream(self, thread_id: str, work: Work, mode: str, events: Events | None = None) -> Events:
        """``events``: what they are put into as they come."""
        events, mode = Events() if events is None else events, mode.removesuffix("-tuple")
        chunks = self._graph.astream(work.input, _config(thread_id), stream_mode=mode, durability=DURABILITY)
        async for chunk in chunks:
            events.all.append(Event(time.monotonic(), mode.encode(), _token(mode, chunk)))
        if len(events.data) < work.events:
            raise WrongAnswer(f"{work.task} streamed: {len(events.data)} of {work.events} events")
        return events

    async def read(self, thread_id: str) -> None:
        await self._saver.aget_tuple(_config(thread_id))

    async def history(self, thread_id: str, limit: int) -> int:
        states = self._graph.aget_state_history(_config(thread_id), limit=limit)
        return len([state async for state in states])


@asynccontextmanager
async def opened(database_url: str, token_mode: str) -> AsyncIterator[Floor]:
    """The floor on a database, whose tables it makes."""
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        database_url, min_size=POOL_SIZE, max_size=POOL_SIZE, open=False, kwargs=options
    )
    async with pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        yield Floor(saver, token_mode)


def _config(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}}


def _token(mode: str, chunk: Any) -> bytes:
    """The time that a token says, where the mode has tokens."""
    text = chunk[0].content if mode == "messages" else chunk.get("token", "")
    return str(text).encode()
