"""The state of a thread, read from its checkpoints and edited there, in the shapes of the API.

Shapes are those of wire contract 3.3. Everything here works in Django's transaction, on Django's connection.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import Error as DatabaseError
from django.db import transaction
from django.utils import timezone
from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.types import PregelTask, StateSnapshot, StateUpdate

from assistants.graphs import equipped, registry
from threads.checkpointer import DjangoSaver
from threads.encoding import EncodedJSON, encode_for_jsonb
from threads.exceptions import InvalidStateUpdate, ThreadBusy, ThreadHasNoGraph
from threads.models import Thread
from threads.visibility import Visibility

logger = logging.getLogger(__name__)

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
CHECKPOINT_KEYS = ("checkpoint_id", "thread_id", "checkpoint_ns", "checkpoint_map")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run, or an edit of the state, leaves on its thread. ``values`` None: it changed none."""

    thread_status: Thread.Status
    values: EncodedJSON | None = None
    interrupts: EncodedJSON | None = None
    error: EncodedJSON | None = None

    @classmethod
    def of(cls, snapshot: StateSnapshot, graph: Pregel) -> Outcome:
        """The outcome of arriving at a state: interrupted if something is left to do, else idle."""
        interrupts = {task.id: list(task.interrupts) for task in snapshot.tasks if task.interrupts}
        return cls(
            thread_status=Thread.Status.INTERRUPTED if snapshot.next else Thread.Status.IDLE,
            values=encode_for_jsonb(Visibility(graph).of_state((), snapshot.values)),
            interrupts=encode_for_jsonb(interrupts) if interrupts else None,
        )

    @classmethod
    def unchanged(cls, thread: Thread) -> Outcome:
        """The outcome of a run that has left nothing: the thread is what it was before."""
        return cls(
            thread_status=Thread.Status(thread.settled_status),
            interrupts=encode_for_jsonb(thread.interrupts) if thread.interrupts else None,
            error=encode_for_jsonb(thread.error) if thread.error else None,
        )


def outcome(thread: Thread) -> Outcome:
    """Where the thread's latest checkpoint leaves it: without values if it has none.

    Unchanged if its graph is not served any more, or cannot be made.
    """
    try:
        graph = _graph(thread)
    except Exception as exc:  # whatever a factory raises
        logger.warning("The graph of thread %s cannot be made: %s", thread.pk, exc, exc_info=exc)
        graph = None
    if graph is None:
        return Outcome.unchanged(thread)
    snapshot = graph.get_state(_config(thread))
    if snapshot.created_at:
        return Outcome.of(snapshot, graph)
    return Outcome(thread_status=Thread.Status.IDLE, values=encode_for_jsonb(None))


def read(
    thread: Thread, *, checkpoint: dict[str, Any] | None = None, subgraphs: bool = False
) -> dict[str, Any]:
    """The thread's latest state, or that at a checkpoint. At a checkpoint that is not there, nothing is."""
    graph = _graph(thread)
    if graph is not None:
        snapshot = graph.get_state(_config(thread, checkpoint), subgraphs=subgraphs)
        if snapshot.created_at:
            return as_wire(snapshot, Visibility(graph))
    if not (checkpoint and checkpoint.get("checkpoint_id")):
        return NEVER_RUN
    named = _checkpoint(_config(thread, checkpoint))
    return {**NEVER_RUN, "checkpoint": named, "checkpoint_id": checkpoint["checkpoint_id"]}


def left_by(thread: Thread, run_id: uuid.UUID, graph_id: str) -> dict[str, Any]:
    """The state that the run of this graph has left, though others have gone on; see ``read``.

    The thread's latest if the run never began.
    """
    config = _config(thread)
    graph = _build(graph_id, config)
    if graph is None:
        return NEVER_RUN
    snapshot = graph.get_state(config)
    wanted = {"run_id": str(run_id)}
    if not wanted.items() <= (snapshot.metadata or {}).items():
        snapshot = next(graph.get_state_history(config, filter=wanted, limit=1), snapshot)
    return as_wire(snapshot, Visibility(graph)) if snapshot.created_at else NEVER_RUN


def history(
    thread: Thread,
    *,
    limit: int = 10,
    before: str | None = None,
    metadata: dict[str, Any] | None = None,
    checkpoint: dict[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """The thread's states, newest first. ``before`` is the id of a checkpoint, itself left out.

    ``checkpoint`` names a subgraph by its ``checkpoint_ns``, for that one's states.
    """
    graph = _graph(thread)
    if graph is None:
        return
    until = RunnableConfig(configurable={"checkpoint_id": before}) if before else None
    config, visibility = _config(thread, checkpoint), Visibility(graph)
    for snapshot in graph.get_state_history(config, filter=metadata, before=until, limit=limit):
        yield as_wire(snapshot, visibility)


@transaction.atomic
def update(
    thread: Thread,
    values: Sequence[dict[str, Any] | None],
    *,
    as_node: str | None = None,
    checkpoint: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the values to the thread's state, one after another, as if the node had; returns the checkpoint.

    Locks the thread's row. Raises ThreadBusy while runs are active, InvalidStateUpdate for what the graph
    refuses, ThreadHasNoGraph.
    """
    return apply(thread, [[StateUpdate(value, as_node)] for value in values], checkpoint=checkpoint)


@transaction.atomic
def apply(
    thread: Thread, supersteps: Sequence[Sequence[StateUpdate]], *, checkpoint: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Write supersteps of updates to the thread's state; returns the last one's checkpoint. As ``update``."""
    thread = Thread.objects.without_values().lock(thread.pk)
    if thread.status == Thread.Status.BUSY:
        raise ThreadBusy
    graph_id = thread.graph_id or registry.default_id()
    graph = _graph(thread, graph_id)
    if graph is None:
        raise ThreadHasNoGraph(thread.pk)
    config = _config(thread, checkpoint)
    config["metadata"] = {"graph_id": graph_id, "thread_id": str(thread.pk)}
    try:
        written = graph.bulk_update_state(config, supersteps)
    except (DatabaseError, psycopg.Error):
        raise
    except Exception as exc:  # whatever a graph's reducers and branches raise at values they do not expect
        raise InvalidStateUpdate(f"{exc}" or type(exc).__name__) from exc
    thread.settle(Outcome.of(graph.get_state(_config(thread)), graph), busy=False, now=timezone.now())
    if thread.graph_id is None:
        thread.patch(metadata={"graph_id": graph_id})
    found = _checkpoint(written) or {}
    return {"checkpoint": found, "configurable": found, "checkpoint_map": None, **found}


def as_wire(snapshot: StateSnapshot, visibility: Visibility) -> dict[str, Any]:
    """A snapshot as the API shows it: of the graph itself, or of a subgraph, which its config names."""
    checkpoint, parent = _checkpoint(snapshot.config), _checkpoint(snapshot.parent_config)
    namespace = tuple(filter(None, str((checkpoint or {}).get("checkpoint_ns", "")).split("|")))
    return {
        "values": visibility.of_state(namespace, snapshot.values),
        "next": list(snapshot.next),
        "tasks": [_task(task, namespace, visibility) for task in snapshot.tasks],
        "metadata": snapshot.metadata,
        "created_at": snapshot.created_at,
        "checkpoint": checkpoint,
        "parent_checkpoint": parent,
        "interrupts": list(snapshot.interrupts),
        "checkpoint_id": checkpoint and checkpoint["checkpoint_id"],
        "parent_checkpoint_id": parent and parent["checkpoint_id"],
    }


def graph_of(thread: Thread) -> Pregel | None:
    """The graph of the thread's latest run, on its checkpoints; None if none is known or served any more."""
    return _graph(thread)


def nodes(thread: Thread) -> list[str]:
    """The nodes as which the thread's state can be edited; none if no graph is served for it."""
    graph = _graph(thread, registry.default_id())
    return [] if graph is None else [name for name in graph.nodes if not name.startswith("__")]


def _graph(thread: Thread, default: str | None = None) -> Pregel | None:
    """The thread's graph on its checkpoints; None if none is known or served any more."""
    return _build(thread.graph_id or default, _config(thread))


def _build(graph_id: str | None, config: RunnableConfig) -> Pregel | None:
    if graph_id is None or graph_id not in registry.ids():
        return None
    return equipped(registry.build(graph_id, config), checkpointer=DjangoSaver())


def _config(thread: Thread, checkpoint: dict[str, Any] | None = None) -> RunnableConfig:
    chosen = {key: value for key, value in (checkpoint or {}).items() if key in CHECKPOINT_KEYS and value}
    return RunnableConfig(configurable={"checkpoint_ns": "", **chosen, "thread_id": str(thread.pk)})


def _task(task: PregelTask, namespace: tuple[str, ...], visibility: Visibility) -> dict[str, Any]:
    nested: Any = task.state
    # Of a subgraph that has not begun there is no state yet, only where it will be.
    is_state = isinstance(nested, StateSnapshot) and nested.created_at is not None
    place = nested.config if isinstance(nested, StateSnapshot) else nested
    return {
        "id": task.id,
        "name": task.name,
        "path": list(task.path),
        "error": repr(task.error) if isinstance(task.error, BaseException) else task.error,
        "interrupts": list(task.interrupts),
        "checkpoint": None if is_state else _checkpoint(place),
        "state": as_wire(nested, visibility) if is_state else None,
        "result": visibility.of_state(namespace, task.result),
    }


def _checkpoint(config: RunnableConfig | None) -> dict[str, Any] | None:
    if config is None:
        return None
    return {key: config["configurable"][key] for key in CHECKPOINT_KEYS if key in config["configurable"]}
