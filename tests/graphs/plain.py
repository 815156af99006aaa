"""Graphs of one node each, for what every run does."""

import asyncio
import operator
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from examples.fake_model import FakeModel


class Chat(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]


class Text(TypedDict, total=False):
    text: str
    log: Annotated[list[str], operator.add]


class Visible(TypedDict, total=False):
    text: str


class WithSecret(Visible, total=False):
    secret: str


def one_node(schema: Any, node: Any, **options: Any) -> StateGraph[Any]:
    builder = StateGraph(schema, **options)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder


async def say_again(state: Chat) -> Chat:
    return {"messages": [AIMessage(f"echo: {state['messages'][-1].content}")]}


async def say_tokens(state: Chat) -> Chat:
    model = FakeModel(delay=0.005)
    return {"messages": [await model.ainvoke(state["messages"])]}


async def raise_error(state: Text) -> Text:
    raise ValueError(f"boom: {state.get('text')}")


async def take_steps(state: Text) -> Text:
    """The text says how many steps of 0.1 s."""
    write = get_stream_writer()
    steps = int(state.get("text") or 1)
    for step in range(1, steps + 1):
        write({"step": step})
        await asyncio.sleep(0.1)
    return {"log": [f"{steps} steps"]}


async def keep_secret(state: WithSecret) -> WithSecret:
    return {"secret": "hunter2", "text": f"{state.get('text')}!"}


echo = one_node(Chat, say_again).compile()
tokens = one_node(Chat, say_tokens)  # not compiled: the server does it
fails = one_node(Text, raise_error).compile()
slow = one_node(Text, take_steps).compile()
hidden = one_node(WithSecret, keep_secret, output_schema=Visible).compile()
