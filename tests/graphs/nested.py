"""A graph with a subgraph."""

import operator
from typing import Annotated

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    text: str
    log: Annotated[list[str], operator.add]


async def inner(state: State) -> State:
    return {"log": [f"inner {state['text']}"]}


async def after(state: State) -> State:
    return {"log": [f"after {state['text']}"]}


child = StateGraph(State)
child.add_node("inner", inner)
child.add_edge(START, "inner")
child.add_edge("inner", END)

parent = StateGraph(State)
parent.add_node("child", child.compile())
parent.add_node("after", after)
parent.add_edge(START, "child")
parent.add_edge("child", "after")
parent.add_edge("after", END)
graph = parent.compile()
