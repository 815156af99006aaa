"""Graphs whose state is read back: with types of their own, with subgraphs that wait or keep secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict


@dataclass
class Point:
    x: int
    y: int


class Note(BaseModel):
    text: str


class Unlisted(BaseModel):
    """A type that no schema names."""

    text: str
    made: list[str] = []

    def model_post_init(self, context: Any) -> None:
        MADE.append(self.text)


MADE: list[str] = []


class Typed(TypedDict, total=False):
    point: Point
    notes: list[Note]
    anything: Any


class Visible(TypedDict, total=False):
    text: str


class WithSecret(Visible, total=False):
    secret: str


def keep_secret(state: WithSecret) -> WithSecret:
    return {"secret": "hunter2", "text": "kept"}


def ask(state: WithSecret) -> WithSecret:
    return {"text": interrupt({"question": "sure?"})}


def stop(state: WithSecret) -> WithSecret:
    raise ValueError("stopped")


class Child(Visible, total=False):
    """Whose pin no graph around it knows."""

    pin: str


def choose_pin(state: Child) -> Child:
    return {"pin": "0000-pin"}


def confirm(state: Child) -> Child:
    return {"text": interrupt("sure?")}


def _chain(schema: Any, *nodes: Any, **options: Any) -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(schema, **options)
    previous = START
    for node in nodes:
        name = getattr(node, "__name__", "child")
        builder.add_node(name, node)
        builder.add_edge(previous, name)
        previous = name
    return builder


def _write(state: Typed) -> Typed:
    return {"point": Point(1, 2), "notes": [Note(text="note")], "anything": Unlisted(text="u")}


def _read(state: Typed) -> Typed:
    """Works with what an earlier step left."""
    return {"point": Point(state["point"].x + 1, len(state["notes"][0].text))}


typed = _chain(Typed, _write, _read).compile(interrupt_before=["_read"])
secretive = _chain(WithSecret, keep_secret, ask, output_schema=Visible).compile()
failing = _chain(WithSecret, keep_secret, stop, output_schema=Visible).compile()
nested = _chain(WithSecret, secretive, output_schema=Visible).compile()
discreet = _chain(Visible, _chain(Child, choose_pin, confirm, output_schema=Visible).compile()).compile()
