"""The state of a thread, read from its checkpoints, in the shapes of the API (wire contract 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.types import Interrupt, PregelTask, StateSnapshot

from assistants.graphs import registry
from threads.checkpointer import DjangoSaver
from threads.encoding import EncodedJSON
from threads.models import Thread
from threads.visibility import hidden_keys

NEVER_RUN: dict[str, Any] = {
    "values": {},
    "next": [],
    "tasks": [],
    "metadata": None,
    "created_at": None,
    "checkpoint": None,
    "parent_checkpoint": None,
    "interrupts": [],
    "checkpoint_id": None,
    "parent_checkpoint_id": None,
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run leaves on its thread. ``values`` None: the run changed none."""

    thread_status: Thread.Status
    values: EncodedJSON | None = None
    interrupts: EncodedJSON | None = None
    error: EncodedJSON | None = None


def read(thread: Thread, *, subgraphs: bool = False) -> dict[str, Any]:
    """The thread's latest state."""
    graph = _graph(thread)
    if graph is None:
        return NEVER_RUN
    snapshot = graph.get_state(_config(thread), subgraphs=subgraphs)
    return as_wire(snapshot, graph) if snapshot.created_at else NEVER_RUN


def history(
    thread: Thread,
    *,
    limit: int = 10,
    before: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """The thread's states, newest first. ``before`` is the id of a checkpoint, itself left out."""
    graph = _graph(thread)
    if graph is None:
        return
    until = RunnableConfig(configurable={"checkpoint_id": before}) if before else None
    for snapshot in graph.get_state_history(_config(thread), filter=metadata, before=until, limit=limit):
        yield as_wire(snapshot, graph)


def as_wire(snapshot: StateSnapshot, graph: Any) -> dict[str, Any]:
    """A snapshot as the API shows it."""
    checkpoint, parent = _checkpoint(snapshot.config), _checkpoint(snapshot.parent_config)
    subgraphs = dict(graph.get_subgraphs()) if any(task.state for task in snapshot.tasks) else {}
    return {
        "values": visible(snapshot.values, graph),
        "next": list(snapshot.next),
        "tasks": [_task(task, subgraphs.get(task.name, graph)) for task in snapshot.tasks],
        "metadata": snapshot.metadata,
        "created_at": snapshot.created_at,
        "checkpoint": checkpoint,
        "parent_checkpoint": parent,
        "interrupts": list(snapshot.interrupts),
        "checkpoint_id": checkpoint and checkpoint["checkpoint_id"],
        "parent_checkpoint_id": parent and parent["checkpoint_id"],
    }


def visible(values: Any, graph: Any) -> Any:
    """A state, or an update of one, without the keys that the graph keeps to itself."""
    hidden = hidden_keys(graph)
    if not hidden or not isinstance(values, dict):
        return values
    return {key: value for key, value in values.items() if key not in hidden}


def interrupts_by_task(snapshot: StateSnapshot) -> dict[str, list[Interrupt]]:
    return {task.id: list(task.interrupts) for task in snapshot.tasks if task.interrupts}


def _graph(thread: Thread) -> Pregel | None:
    """The thread's graph, reading from its checkpoints; None if none is known or served any more."""
    if thread.graph_id not in registry.ids():
        return None
    graph = registry.build(str(thread.graph_id), _config(thread))
    return graph.copy(update={"checkpointer": DjangoSaver()})


def _config(thread: Thread) -> RunnableConfig:
    return RunnableConfig(configurable={"thread_id": str(thread.pk), "checkpoint_ns": ""})


def _task(task: PregelTask, graph: Any) -> dict[str, Any]:
    """``graph``: the subgraph that the task runs, if it runs one."""
    nested = task.state
    return {
        "id": task.id,
        "name": task.name,
        "path": list(task.path),
        "error": repr(task.error) if task.error else None,
        "interrupts": list(task.interrupts),
        "checkpoint": None if nested is None or isinstance(nested, StateSnapshot) else _checkpoint(nested),
        "state": as_wire(nested, graph) if isinstance(nested, StateSnapshot) else None,
        "result": visible(task.result, graph),
    }


def _checkpoint(config: RunnableConfig | None) -> dict[str, Any] | None:
    if config is None:
        return None
    configurable = config["configurable"]
    keys = ("checkpoint_id", "thread_id", "checkpoint_ns", "checkpoint_map")
    return {key: configurable[key] for key in keys if key in configurable}
