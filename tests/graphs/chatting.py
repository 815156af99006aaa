"""Graphs to talk to: what their nodes say, and how, is all they are about."""

import json
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt

from examples.fake_model import FakeModel
from tests.graphs.plain import Chat, one_node
from tests.graphs.told import Told, appeared, note

BLOCKS: list[Any] = [
    {"type": "text", "text": "Look: "},
    {"type": "image", "url": "https://example.com/a.png"},
]


class ToldChat(Told, total=False):
    messages: Annotated[list[AnyMessage], add_messages]


class HiddenChat(Chat, total=False):
    """Of which only the messages are shown."""

    secret: str
    notes: Annotated[list[AnyMessage], add_messages]


def chain(schema: Any, *nodes: Any, **options: Any) -> StateGraph[Any]:
    """Nodes one after another."""
    builder: StateGraph[Any] = StateGraph(schema, **options)
    builder.add_sequence(nodes)
    builder.add_edge(START, nodes[0].__name__)
    builder.add_edge(nodes[-1].__name__, END)
    return builder


# Whole messages


def say_object(state: Chat) -> Any:
    return {"messages": [AIMessage("an object")]}


def say_dict(state: Chat) -> Any:
    return {"messages": {"role": "assistant", "content": "a dict"}}


def say_blocks(state: Chat) -> Any:
    return {"messages": [AIMessage(BLOCKS)]}


def ask_tool(state: Chat) -> Any:
    call = {"name": "look", "args": {"at": "it"}, "id": "call_1"}
    return {"messages": [AIMessage("", tool_calls=[call])]}


def answer_tool(state: Chat) -> Any:
    return {"messages": [ToolMessage("seen", tool_call_id="call_1", name="look")]}


def say_as_user(state: Chat) -> Any:
    return {"messages": [HumanMessage("for the user", name="bob")]}


# Streamed messages


async def say_left(state: Chat) -> Any:
    return {"messages": [await FakeModel(delay=0.005, says="left one two three").ainvoke(state["messages"])]}


async def say_right(state: Chat) -> Any:
    return {"messages": [await FakeModel(delay=0.005, says="right one two three").ainvoke(state["messages"])]}


async def say_anew(state: Chat) -> Any:
    """What the model says, as a message of the node's own."""
    said = await FakeModel(delay=0, says="said once").ainvoke(state["messages"])
    return {"messages": [AIMessage(said.content)]}


def _parallel() -> Any:
    builder: StateGraph[Any] = StateGraph(Chat)
    for node in (say_left, say_right):
        builder.add_node(node)
        builder.add_edge(START, node.__name__)
        builder.add_edge(node.__name__, END)
    return builder.compile()


# What is hidden


async def think(state: HiddenChat) -> Any:
    thought = await FakeModel(delay=0, says="hunter2 is a thought").ainvoke(state["messages"])
    return {"notes": [thought], "secret": "hunter2"}


async def speak(state: HiddenChat) -> Any:
    return {"messages": [await FakeModel(delay=0, says="nothing to see").ainvoke(state["messages"])]}


# The rest


def ask(state: Chat) -> Any:
    return {"messages": [AIMessage(f"You answered {json.dumps(interrupt('Sure?'))}.")]}


def loop(state: Chat) -> Any:
    return {"messages": [AIMessage("again")]}


async def say_and_fail(state: Chat) -> Any:
    await FakeModel(delay=0, says="all is well").ainvoke(state["messages"])
    raise ValueError("boom: hunter2")


def tell_configurable(state: Chat, config: RunnableConfig) -> Any:
    values = {key: value for key, value in config["configurable"].items() if not key.startswith("__")}
    return {"messages": [AIMessage(json.dumps(values, default=str))]}


async def begin(state: ToldChat) -> Any:
    note(state, "begin")
    return {"messages": [AIMessage("begun")]}


async def wait(state: ToldChat) -> Any:
    """For the file ``gate``."""
    note(state, "wait")
    await appeared(state, "gate")
    note(state, "waited")
    return {"messages": [AIMessage("waited")]}


async def end(state: ToldChat) -> Any:
    note(state, "end")
    return {"messages": [AIMessage("ended")]}


def _looping() -> Any:
    builder: StateGraph[Any] = StateGraph(Chat)
    builder.add_node(loop)
    builder.add_edge(START, "loop")
    builder.add_edge("loop", "loop")
    return builder.compile()


whole = chain(Chat, say_object, say_dict, say_blocks, ask_tool, answer_tool, say_as_user).compile()
parallel = _parallel()
anew = one_node(Chat, say_anew).compile()
hidden = chain(HiddenChat, think, speak, output_schema=Chat).compile()
asks = chain(Chat, ask, say_object).compile()
loops = _looping()
fails = one_node(Chat, say_and_fail).compile()
configurable = one_node(Chat, tell_configurable).compile()
told = chain(ToldChat, begin, wait, end).compile()
