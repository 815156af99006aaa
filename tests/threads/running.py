"""Running graphs without a worker, so that threads have checkpoints: inside the transaction of a test."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.pregel import Pregel

from assistants.graphs import registry
from threads.checkpointer import DjangoSaver
from threads.models import Thread

TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


class AwaitableSaver(DjangoSaver):
    """For graphs with asynchronous nodes. What it is asked is done in the test's own thread."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await sync_to_async(self.get_tuple)(config)

    async def aput(self, *args: Any) -> RunnableConfig:
        return await sync_to_async(self.put)(*args)

    async def aput_writes(self, *args: Any) -> None:
        await sync_to_async(self.put_writes)(*args)


def execute(thread: Thread, graph_id: str, input: Any, **options: Any) -> Any:
    """Run the graph on the thread, which is stamped with it as by a run. Returns the output."""
    thread.patch(metadata={"graph_id": graph_id})
    graph = on_checkpoints(registry.build(graph_id))
    return async_to_sync(graph.ainvoke)(input, config_of(thread), **options)


def on_checkpoints(graph: Pregel) -> Pregel:
    return graph.copy(update={"checkpointer": AwaitableSaver()})


def config_of(thread: Thread) -> RunnableConfig:
    return RunnableConfig(configurable={"thread_id": str(thread.pk), "checkpoint_ns": ""})


def human(text: str) -> dict[str, Any]:
    """An input of one message."""
    return {"messages": [{"role": "user", "content": text}]}


def count_rows(thread_id: object) -> dict[str, int]:
    """How many rows the thread has in each of LangGraph's tables."""
    counts = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE thread_id = %s", [str(thread_id)])
            counts[table] = cursor.fetchone()[0]
    return counts
