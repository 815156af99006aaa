"""A graph of several steps that keeps a book of every time one of its nodes is begun."""

import asyncio
import operator
import os
from pathlib import Path
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

STEPS = [f"step{number}" for number in range(5)]


class Booked(TypedDict, total=False):
    book: str
    seconds: float
    size: int
    done: Annotated[list[str], operator.add]


def booking(name: str) -> Any:
    async def node(state: Booked, config: RunnableConfig) -> Booked:
        run_id, attempt = config["configurable"]["run_id"], config["metadata"]["run_attempt"]
        line = f"{run_id} {attempt} {name}\n"
        book = os.open(Path(state["book"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(book, line.encode())  # one write, so that lines of several processes do not mix
        os.close(book)
        get_stream_writer()("x" * state.get("size", 1))
        await asyncio.sleep(state.get("seconds", 0.02))
        return {"done": [name]}

    return node


builder = StateGraph(Booked)
for step, before in zip(STEPS, [START, *STEPS], strict=False):
    builder.add_node(step, booking(step))
    builder.add_edge(before, step)
builder.add_edge(STEPS[-1], END)
steps = builder.compile()
