"""What of a graph's state may leave the server: what its output schema names."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_origin

from langchain_core.messages import BaseMessage
from langgraph.pregel import Pregel
from pydantic import BaseModel

# Whatever else a key may hold, a message may be in it.
PLAIN = (
    *(str, bytes, bool, int, float, complex, type(None), enum.Enum),
    *(decimal.Decimal, uuid.UUID, datetime.date, datetime.time, datetime.timedelta),
)


class Visibility:
    """Decides by name. A key that the graph keeps to itself is left out wherever state is shown.

    In a subgraph's state, keys that the subgraph keeps to itself are left out too, and so are the outer
    graph's.
    """

    def __init__(self, graph: Pregel) -> None:
        self._hidden = hidden_keys(graph)
        self._hidden_in: dict[str, set[str]] = {}
        for name, subgraph in graph.get_subgraphs(recurse=True):
            # `get_subgraphs` joins the names of nested nodes by bars, as namespaces do.
            self._hidden_in[name] = hidden_keys(subgraph)
        self._all_hidden = self._hidden.union(*self._hidden_in.values())

    def of_state(self, namespace: tuple[str, ...], state: Any) -> Any:
        """A state, or an update of one, without what is hidden. Not only dicts are states and updates."""
        if not self._all_hidden:
            return state
        if isinstance(state, (list, tuple)):  # several updates of one node
            return [self.of_state(namespace, update) for update in state]
        return _without(state, self._hidden_at(namespace))

    def of_anything(self, value: Any) -> Any:
        """Values whose place in the graph is not known: keys hidden anywhere are left out everywhere."""
        if not self._all_hidden:
            return value
        if isinstance(value, (list, tuple)):
            return [self.of_anything(item) for item in value]
        shown = _without(value, self._all_hidden)
        return {k: self.of_anything(v) for k, v in shown.items()} if isinstance(shown, dict) else shown

    def _hidden_at(self, namespace: tuple[str, ...]) -> set[str]:
        """What the graph at the namespace hides, and all graphs around it."""
        nodes = [part.partition(":")[0] for part in namespace]
        around = ("|".join(nodes[: depth + 1]) for depth in range(len(nodes)))
        return self._hidden.union(*(self._hidden_in.get(name, set()) for name in around))


def _without(state: Any, hidden: set[str]) -> Any:
    """A dict, or an object as a dict of its fields, without the hidden keys. Messages have none to hide."""
    if isinstance(state, BaseModel) and not isinstance(state, BaseMessage):
        state = dict(state)
    elif is_dataclass(state) and not isinstance(state, type):
        state = {field.name: getattr(state, field.name) for field in fields(state)}
    if not isinstance(state, dict):
        return state
    return {key: value for key, value in state.items() if key not in hidden}


def hidden_keys(graph: Any) -> set[str]:
    """The keys of a graph's state that are not in its output."""
    outputs = graph.output_channels
    if isinstance(outputs, str):
        return set()
    channels = graph.stream_channels_asis
    return set(channels if not isinstance(channels, str) else [channels]) - set(outputs)


def may_hide_messages(graph: Pregel) -> bool:
    """Whether the graph, or one inside it, keeps a key to itself that messages could be written to."""
    graphs: list[Any] = [graph, *(subgraph for _, subgraph in graph.get_subgraphs(recurse=True))]
    return any(_may_hold_messages(one.channels.get(key)) for one in graphs for key in hidden_keys(one))


def _may_hold_messages(channel: Any) -> bool:
    return not _is_plain(getattr(channel, "ValueType", Any))


def _is_plain(kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return True
    if arguments := get_args(kind):
        return all(_is_plain(argument) for argument in arguments if argument is not ...)
    return isinstance(kind, type) and issubclass(kind, PLAIN)
