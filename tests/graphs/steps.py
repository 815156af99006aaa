"""Graphs of several steps that can be held up, cancelled and drained, or will not let themselves be.

As in ``tests/graphs/told.py``: nodes write what they do into the folder's ``log``, and wait for files there.
"""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

from asgiref.sync import sync_to_async
from langgraph.channels import DeltaChannel
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from typing_extensions import TypedDict

from tests.graphs.told import Told, appeared, first, note, second


async def third(state: Told) -> Told:
    note(state, "third")
    return {"done": ["third"]}


async def after(state: Told) -> Told:
    note(state, "after")
    return {"done": ["after"]}


def ask(state: Told) -> Told:
    return {"done": [interrupt("go on?")]}


async def ask_and_wait(state: Told) -> Told:
    answer = interrupt("go on?")
    note(state, f"told {answer}")
    await appeared(state, "gate")
    return {"done": [answer]}


def ask_twice(state: Told) -> Told:
    return {"done": [interrupt("one?"), interrupt("two?")]}


async def fail_once(state: Told) -> Told:
    """Fail until the file ``mended`` is there."""
    note(state, "fail_once")
    if not (Path(state["folder"]) / "mended").exists():
        raise ValueError("not yet")
    return {"done": ["mended"]}


async def many(state: Told) -> Told:
    note(state, "many")
    await asyncio.sleep(0.01)
    return {"done": ["many"]}


async def fail_late(state: Told) -> Told:
    note(state, "fail_late")
    await appeared(state, "gate")
    raise ValueError("too late")


async def clean_up(state: Told) -> Told:
    """Wait for ever, and when cancelled, take a moment to tidy up."""
    note(state, "clean_up")
    try:
        await appeared(state, "gate")
    finally:
        await asyncio.sleep(0.05)
        note(state, "tidied")
    return {}


async def be_stubborn(state: Told) -> Told:
    """Wait for the file ``gate``, and heed no cancellation; then write events and a state."""
    note(state, "stubborn")
    waiting = asyncio.create_task(appeared(state, "gate"))
    while not waiting.done():
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            note(state, "ignored")
    get_stream_writer()("late")
    note(state, "late")
    return {"done": ["late"]}


async def cancel_itself(state: Told) -> Told:
    raise asyncio.CancelledError


def sleep(state: Told) -> Told:
    """Sleep without a look at anything but the file ``gate``: longer than anybody waits."""
    note(state, "sleep")
    deadline = time.monotonic() + 300
    while not (Path(state["folder"]) / "gate").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    note(state, "awake")
    return {"done": ["slept"]}


async def block(state: Told) -> Told:
    """Keep the thread of the asynchronous ORM, of which there is one."""
    return await sync_to_async(sleep)(state)


def listen(state: Told, runtime: Runtime) -> Told:
    """Go on until told to stop."""
    note(state, "listen")
    deadline = time.monotonic() + 20
    while not runtime.drain_requested and time.monotonic() < deadline:
        time.sleep(0.01)
    note(state, f"told {runtime.drain_reason}")
    return {"done": ["told"]}


def shout(state: Told) -> Told:
    """Emit an event as large as the name says, in three-byte characters."""
    get_stream_writer()("€" * int(state["name"]))
    return {"done": ["shouted"]}


def put_together(done: list[str], writes: list[list[str]]) -> list[str]:
    return [*done, *(line for write in writes for line in write)]


class ToldInParts(TypedDict, total=False):
    """Checkpoints hold not what was done, but the writes that it is made of."""

    folder: str
    done: Annotated[list[str], DeltaChannel(put_together)]


def chain(*nodes: Any, schema: Any = Told) -> Any:
    """A compiled graph of one node after another; nodes are functions or (name, graph)."""
    builder = StateGraph(schema)
    before = START
    for node in nodes:
        name, action = node if isinstance(node, tuple) else (node.__name__, node)
        builder.add_node(name, action, input_schema=schema)
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder.compile()


def _many_steps() -> Any:
    """Some hundred steps of 10 ms."""
    builder = StateGraph(Told)
    builder.add_node("many", many)
    builder.add_edge(START, "many")
    builder.add_conditional_edges("many", lambda state: "many" if len(state["done"]) < 900 else END)
    return builder.compile()


def _parallel() -> Any:
    """Two nodes at a time, of which ``second`` waits; then a third."""
    builder = StateGraph(Told)
    for name, node in (("first", first), ("second", second)):
        builder.add_node(name, node)
        builder.add_edge(START, name)
    builder.add_node("third", third)
    builder.add_edge(["first", "second"], "third")
    return builder.compile()


def _asking_beside() -> Any:
    """A node that asks twice beside one that waits."""
    builder = StateGraph(Told)
    for name, node in (("ask", ask_twice), ("second", second)):
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder.compile()


three_steps = chain(first, second, third)
delta_steps = chain(first, second, third, schema=ToldInParts)
nested_steps = chain(("child", three_steps), after)
parallel_steps = _parallel()
many_steps = _many_steps()
asking = chain(ask, second, third)
asking_first = chain(ask_and_wait, third)
asking_beside = _asking_beside()
failing_once = chain(first, fail_once, second)
failing_late = chain(first, fail_late)
tidy = chain(first, clean_up)
stubborn = chain(first, be_stubborn, third)
self_cancelling = chain(first, cancel_itself)
sleeping = chain(first, sleep)
blocking = chain(block)
listening = chain(listen, third)
shouting = chain(first, shout)
