"""A chat agent with tools: ask it for the weather in a city, for the time, or to work out a sum."""

from typing import Annotated, Any

from langchain_core.messages import AnyMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.graph import START, StateGraph, add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from typing_extensions import TypedDict

from examples.fake_model import FakeModel, ModelSettings
from examples.tools import TOOLS, explain


class State(TypedDict):
    """A conversation with the agent."""

    messages: Annotated[list[AnyMessage], add_messages]


def model(config: RunnableConfig) -> Runnable[Any, Any]:
    return FakeModel.configured(config).bind_tools(TOOLS)


def answer(state: State, config: RunnableConfig) -> State:
    return {"messages": [model(config).invoke(state["messages"], config)]}


async def aanswer(state: State, config: RunnableConfig) -> State:
    """See answer()."""
    return {"messages": [await model(config).ainvoke(state["messages"], config)]}


# No checkpointer here: the server brings its own.
graph = (
    StateGraph(State, context_schema=ModelSettings)
    .add_node("answer", RunnableLambda(answer, aanswer))
    .add_node("tools", ToolNode(TOOLS, handle_tool_errors=explain))
    .add_edge(START, "answer")
    .add_conditional_edges("answer", tools_condition)
    .add_edge("tools", "answer")
    .compile(name="agent")
)
