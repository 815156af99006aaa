"""The stream modes of the API: what each asks of the graph, and the events it makes (wire contract 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from langchain_core.messages import BaseMessage, BaseMessageChunk, message_chunk_to_message
from langgraph.pregel import Pregel

from runs import graph_user
from runs.graph_api.chunks import Chunks
from runs.models import Run
from threads.visibility import Visibility

Namespace = tuple[str, ...]
Event = tuple[str, Any]


class Translator:
    """Turns what a graph streams into the events that were asked for, for one run."""

    def __init__(self, run: Run, graph: Pregel) -> None:
        self.run, self.graph = run, graph
        requested = run.kwargs["stream_mode"]
        # One message is sent in one form: where both are asked for, in that of messages-tuple.
        names = [name for name in requested if not (name == "messages" and "messages-tuple" in requested)]
        self._translations = {
            graph_mode: (translate, ALL_MODES[name].namespaced)
            for name in names
            for graph_mode, translate in ALL_MODES[name].translations.items()
        }
        self._makes_chunks = CHUNKS in requested
        self.visibility = Visibility(graph)
        self.messages: dict[str, BaseMessage] = {}

    def events(self, namespace: Namespace, graph_mode: str, chunk: Any) -> Iterator[Event]:
        """The events of a chunk, none if nobody asked for it.

        A subgraph's events have its namespace behind their name, after a bar.
        """
        if graph_mode not in self._translations:
            return
        translate, namespaced = self._translations[graph_mode]
        for name, data in translate(self, namespace, chunk):
            yield "|".join((name, *namespace)) if namespaced else name, data

    def last_events(self) -> Iterator[Event]:
        """The events that are due when the graph has ended, or waits."""
        if self._makes_chunks:
            yield from self.chunks.last()

    @cached_property
    def chunks(self) -> Chunks:
        thread_id = self.run.kwargs["config"]["configurable"]["thread_id"]  # as the client calls it
        return Chunks(self.graph, self.visibility, run_id=str(self.run.pk), thread_id=thread_id)


def _values(translator: Translator, namespace: Namespace, chunk: Any) -> Iterator[Event]:
    yield "values", translator.visibility.of_state(namespace, chunk)


def _updates(translator: Translator, namespace: Namespace, chunk: Any) -> Iterator[Event]:
    # What each node wrote, by node; a task's interrupts stand among them.
    visible = translator.visibility.of_state
    yield (
        "updates",
        {
            node: update if node == "__interrupt__" else visible(namespace, update)
            for node, update in chunk.items()
        },
    )


def _messages(translator: Translator, namespace: Namespace, chunk: Any) -> Iterator[Event]:
    """Each message whole as it grows: its metadata once, then what there is of it so far."""
    message, metadata = chunk
    key = str(message.id)
    if key not in translator.messages:
        yield "messages/metadata", {key: {"metadata": metadata}}
    if not isinstance(message, BaseMessageChunk):
        translator.messages[key] = message
        yield "messages/complete", [message]
        return
    before = translator.messages.get(key)
    grown: Any = before + message if isinstance(before, BaseMessageChunk) else message
    translator.messages[key] = grown
    yield "messages/partial", [message_chunk_to_message(grown)]


def _messages_tuple(translator: Translator, namespace: Namespace, chunk: Any) -> Iterator[Event]:
    yield "messages", chunk


def _tasks(translator: Translator, namespace: Namespace, chunk: Any) -> Iterator[Event]:
    yield "tasks", _visible_task(translator, namespace, chunk)


def _checkpoints(translator: Translator, namespace: Namespace, chunk: Any) -> Iterator[Event]:
    yield "checkpoints", _visible_checkpoint(translator, namespace, chunk)


def _debug(translator: Translator, namespace: Namespace, chunk: Any) -> Iterator[Event]:
    payload = chunk["payload"]
    if chunk["type"] == "checkpoint":
        payload = _visible_checkpoint(translator, namespace, payload)
        payload |= {
            "checkpoint": _checkpoint(payload["config"]),
            "parent_checkpoint": _checkpoint(payload["parent_config"]),
            "tasks": [_with_checkpoint(task) for task in payload["tasks"]],
        }
    else:
        payload = _visible_task(translator, namespace, payload)
    yield "debug", {**chunk, "payload": payload}


def _custom(translator: Translator, namespace: Namespace, chunk: Any) -> Iterator[Event]:
    yield "custom", chunk


def _events(translator: Translator, namespace: Namespace, chunk: Any) -> Iterator[Event]:
    yield "events", {**chunk, "data": translator.visibility.of_anything(chunk.get("data"))}


def _visible_task(translator: Translator, namespace: Namespace, task: dict[str, Any]) -> dict[str, Any]:
    visible = translator.visibility.of_state
    return {
        key: visible(namespace, value) if key in ("input", "result") else value for key, value in task.items()
    }


def _visible_checkpoint(
    translator: Translator, namespace: Namespace, checkpoint: dict[str, Any]
) -> dict[str, Any]:
    return {
        **checkpoint,
        "config": _without_internals(checkpoint["config"]),
        "parent_config": _without_internals(checkpoint["parent_config"]),
        "values": translator.visibility.of_state(namespace, checkpoint["values"]),
        "tasks": [
            {**task, "result": translator.visibility.of_state(namespace, task["result"])}
            if "result" in task
            else task
            for task in checkpoint["tasks"]
        ],
    }


def _with_checkpoint(task: dict[str, Any]) -> dict[str, Any]:
    """A task that runs a subgraph names where, in place of a state that is not there yet."""
    state = task.get("state")
    if not (isinstance(state, dict) and state.keys() == {"configurable"}):
        return task
    rest = {key: value for key, value in task.items() if key != "state"}
    return {**rest, "checkpoint": _checkpoint(state)}


def _without_internals(config: dict[str, Any] | None) -> dict[str, Any] | None:
    if config is None:
        return None
    shown = {k: v for k, v in config["configurable"].items() if not k.startswith(("__", graph_user.PREFIX))}
    return {"configurable": shown}


def _checkpoint(config: dict[str, Any] | None) -> dict[str, Any] | None:
    if config is None:
        return None
    keys = ("checkpoint_id", "thread_id", "checkpoint_ns", "checkpoint_map")
    return {key: config["configurable"][key] for key in keys if key in config["configurable"]}


@dataclass(frozen=True)
class StreamMode:
    """``translations``: what to ask of the graph, and what to make of it.

    ``events`` is no mode of LangGraph but another method. ``namespaced``: whether subgraphs' events say so in
    their name.
    """

    translations: dict[str, Callable[[Translator, Namespace, Any], Iterator[Event]]]
    namespaced: bool = True


STREAM_MODES: dict[str, StreamMode] = {
    "values": StreamMode({"values": _values}),
    "updates": StreamMode({"updates": _updates}),
    "messages": StreamMode({"messages": _messages}, namespaced=False),
    "messages-tuple": StreamMode({"messages": _messages_tuple}),
    "tasks": StreamMode({"tasks": _tasks}),
    "checkpoints": StreamMode({"checkpoints": _checkpoints}),
    "debug": StreamMode({"debug": _debug}),
    "custom": StreamMode({"custom": _custom}),
    "events": StreamMode({"events": _events}, namespaced=False),
}

# Not for clients to ask for: what the runs of /v1/graph stream.
CHUNKS = "chunks"
ALL_MODES = {
    **STREAM_MODES,
    CHUNKS: StreamMode(
        {
            "messages": lambda translator, *streamed: translator.chunks.of_message(*streamed),
            "updates": lambda translator, *streamed: translator.chunks.of_updates(*streamed),
            "values": lambda translator, *streamed: translator.chunks.of_values(*streamed),
        },
        namespaced=False,
    ),
}
DEFAULT = ["values"]


def graph_modes(requested: list[str]) -> list[str]:
    """What to ask of the graph: for the requested modes, and ``values``, which the run itself needs."""
    modes = [graph_mode for name in requested for graph_mode in ALL_MODES[name].translations]
    return list(dict.fromkeys(mode for mode in [*modes, "values"] if mode != "events"))
