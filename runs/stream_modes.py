"""The stream modes of the API: what each asks of the graph, and the events it makes (wire contract 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

GraphMode = Literal["values", "updates", "messages", "custom"]


@dataclass(frozen=True)
class StreamMode:
    """``graph_mode`` is LangGraph's name for it, ``event`` the name of the events that clients see."""

    graph_mode: GraphMode
    event: str


STREAM_MODES: dict[str, StreamMode] = {
    "values": StreamMode("values", "values"),
    "updates": StreamMode("updates", "updates"),
    "messages-tuple": StreamMode("messages", "messages"),
    "custom": StreamMode("custom", "custom"),
}
DEFAULT = ["values"]


def graph_modes(requested: list[str]) -> list[GraphMode]:
    """What to ask of the graph: for the requested modes, and ``values``, which the run itself needs."""
    return list(dict.fromkeys([*(STREAM_MODES[name].graph_mode for name in requested), "values"]))


class Translator:
    """Turns what a graph streams into events, for one run."""

    def __init__(self, requested: list[str]) -> None:
        self._events = {STREAM_MODES[name].graph_mode: STREAM_MODES[name].event for name in requested}

    def event(self, namespace: tuple[str, ...], graph_mode: str, chunk: Any) -> tuple[str, Any] | None:
        """Name and data of the chunk's event; None if nobody asked for it.

        A subgraph's events have its namespace behind their name, after a bar.
        """
        name = self._events.get(graph_mode)  # type: ignore[call-overload]
        if name is None:
            return None
        return "|".join((name, *namespace)), chunk
