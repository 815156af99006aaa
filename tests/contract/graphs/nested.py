"""Graphs with a subgraph: one that talks to a model, and one that asks."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from langgraph.config import get_stream_writer
from langgraph.types import interrupt
from typing_extensions import TypedDict

from tests.contract.graphs.model import FakeModel
from tests.contract.graphs.plain import chain


class SubState(TypedDict, total=False):
    text: str
    inner: str
    messages: Annotated[list[Any], operator.add]


model = FakeModel()


def add_mark(state: SubState) -> SubState:
    return {"text": f"{state['text']}!"}


def add_question(state: SubState) -> SubState:
    return {"text": f"{state['text']}?"}


def talk(state: SubState) -> SubState:
    get_stream_writer()({"child": "a"})
    return {"inner": f"child:{state['text']}", "messages": [model.invoke("hi")]}


def deep_ask(state: SubState) -> SubState:
    return {"inner": f"deep:{interrupt({'q': 'deep?'})}"}


child = chain(SubState, {"child_a": talk}).compile(name="child")
asking_child = chain(SubState, {"deep_ask": deep_ask}).compile(name="child")
sub = chain(SubState, {"parent_a": add_mark, "child": child, "parent_z": add_question}).compile()
subint = chain(SubState, {"parent_a": add_mark, "child": asking_child}).compile()
