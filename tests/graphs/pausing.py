"""Graphs that wait for a person."""

import operator
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


class Answers(TypedDict, total=False):
    question: str
    answers: Annotated[list[Any], operator.add]


def ask(state: Answers) -> Answers:
    return {"answers": [interrupt({"question": state.get("question", "?")})]}


def ask_left(state: Answers) -> Answers:
    return {"answers": [interrupt("left")]}


def ask_right(state: Answers) -> Answers:
    return {"answers": [interrupt("right")]}


def conclude(state: Answers) -> Answers:
    return {"answers": ["done"]}


def _interrupting() -> Any:
    builder = StateGraph(Answers)
    builder.add_node("ask", ask)
    builder.add_node("conclude", conclude)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "conclude")
    builder.add_edge("conclude", END)
    return builder.compile()


def _parallel() -> Any:
    builder = StateGraph(Answers)
    for name, node in (("left", ask_left), ("right", ask_right)):
        builder.add_node(name, node)
        builder.add_edge(START, name)
        builder.add_edge(name, END)
    return builder.compile()


interrupting = _interrupting()
parallel_interrupts = _parallel()
