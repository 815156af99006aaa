"""Graphs that wait for a person."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

from tests.contract.graphs.plain import chain


class AskState(TypedDict, total=False):
    text: str
    answer: str
    done: bool


class ParallelState(TypedDict, total=False):
    text: str
    messages: Annotated[list[Any], operator.add]


def ask(state: AskState) -> AskState:
    return {"answer": interrupt({"question": "approve?", "text": state["text"]})}


def finish(state: AskState) -> AskState:
    return {"done": True}


def ask_a(state: ParallelState) -> ParallelState:
    return {"messages": [["a", interrupt("qa")]]}


def ask_b(state: ParallelState) -> ParallelState:
    return {"messages": [["b", interrupt("qb")]]}


def _parallel() -> Any:
    builder = StateGraph(ParallelState)
    for name, node in (("pa", ask_a), ("pb", ask_b)):
        builder.add_node(name, node)
        builder.add_edge(START, name)
        builder.add_edge(name, END)
    return builder.compile()


interrupting = chain(AskState, {"ask": ask, "finish": finish}).compile()
parint = _parallel()
