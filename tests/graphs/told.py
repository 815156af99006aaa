"""Graphs that do what the test tells them while they run, and write down what they did.

Their input names a folder: nodes write lines into its file ``log``, and wait for files to appear in it.
"""

import asyncio
import operator
from pathlib import Path
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from tests.graphs.plain import one_node


class Told(TypedDict, total=False):
    folder: str
    name: str
    waits_for: list[str]
    done: Annotated[list[str], operator.add]


class Seen(TypedDict, total=False):
    seen: dict[str, Any]


def note(state: Told, line: str) -> None:
    with (Path(state["folder"]) / "log").open("a") as log:
        log.write(f"{line}\n")


async def first(state: Told) -> Told:
    note(state, "first")
    return {"done": ["first"]}


async def second(state: Told) -> Told:
    """Wait for the file ``gate``."""
    note(state, "second")
    get_stream_writer()("waiting")
    await appeared(state, "gate")
    return {"done": ["second"]}


async def meet(state: Told) -> Told:
    """Write when it begins and when it ends, and in between show a file and wait for others' files."""
    folder, name = Path(state["folder"]), state["name"]
    note(state, f"begin {name}")
    (folder / name).touch()
    await asyncio.gather(*(appeared(state, other) for other in state.get("waits_for", [])))
    await asyncio.sleep(0.01)
    note(state, f"end {name}")
    return {"done": [name]}


async def appeared(state: Told, name: str) -> None:
    while not (Path(state["folder"]) / name).exists():
        await asyncio.sleep(0.01)


async def tell_config(state: Seen, config: RunnableConfig) -> Seen:
    """What the node was called with: all keys, and the values that are a client's or the server's."""
    configurable = config["configurable"]
    values = {key: value for key, value in configurable.items() if not key.startswith("__")}
    return {"seen": {"keys": list(configurable), "configurable": values, "tags": config.get("tags", [])}}


_steps = StateGraph(Told)
_steps.add_node("first", first)
_steps.add_node("second", second)
_steps.add_edge(START, "first")
_steps.add_edge("first", "second")
_steps.add_edge("second", END)

two_steps = _steps.compile()
meeting = one_node(Told, meet).compile()
config = one_node(Seen, tell_config).compile()
