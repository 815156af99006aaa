"""Graphs without subgraphs, models and questions."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


class EchoState(TypedDict, total=False):
    text: str
    out: str


class EchoCtx(TypedDict, total=False):
    suffix: str


class FailState(TypedDict, total=False):
    text: str
    step: int


class SlowState(TypedDict, total=False):
    text: str
    n: int
    log: Annotated[list[str], operator.add]


class SeenState(TypedDict, total=False):
    seen: dict[str, Any]


def chain(schema: type, nodes: dict[str, Any], **options: Any) -> StateGraph[Any]:
    """Nodes by name, one after another."""
    builder: StateGraph[Any] = StateGraph(schema, **options)
    names = [START, *nodes, END]
    for name, node in nodes.items():
        builder.add_node(name, node)
    for before, after in pairwise(names):
        builder.add_edge(before, after)
    return builder


def say_again(state: EchoState) -> EchoState:
    return {"out": f"echo:{state.get('text', '')}"}


def count_step(state: FailState) -> FailState:
    return {"step": 1}


def boom(state: FailState) -> FailState:
    raise ValueError(f"boom: {state['text']}")


# Time enough, in seconds, for others to meet the run in its fourth step.
LONG_STEP = 0.6


def step(number: int) -> Callable[[SlowState], Awaitable[SlowState]]:
    async def work(state: SlowState) -> SlowState:
        write = get_stream_writer()
        write({"step": number, "phase": "start"})
        await asyncio.sleep(LONG_STEP if number == 4 else 0.02)
        write({"step": number, "phase": "end"})
        return {"n": number, "log": [f"{state['text']}:{number}"]}

    return work


async def be_quiet(state: EchoState) -> EchoState:
    """For as many seconds as the text says."""
    await asyncio.sleep(float(state["text"]))
    return {"out": "done"}


def show_config(state: SeenState, config: RunnableConfig) -> SeenState:
    """What the node was called with, without what LangGraph keeps for itself; of dicts the type."""
    configurable = {
        key: str(type(value)) if isinstance(value, dict) else value
        for key, value in config["configurable"].items()
        if not key.startswith("__pregel_")
    }
    return {
        "seen": {
            "configurable": configurable,
            "metadata": dict(config["metadata"]),
            "tags": config.get("tags"),
            "recursion_limit": config.get("recursion_limit"),
            "run_id": str(config.get("run_id")),
        }
    }


echo = chain(EchoState, {"echo": say_again}, context_schema=EchoCtx).compile()
fails = chain(FailState, {"ok_step": count_step, "boom": boom}).compile()
slow = chain(SlowState, {f"s{number}": step(number) for number in range(1, 7)}).compile()
quiet = chain(EchoState, {"longstep": be_quiet}).compile()
ui = chain(SeenState, {"showcfg": show_config}).compile()
