from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, AnyMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.state import CompiledStateGraph

from examples.agent import graph

Graph = CompiledStateGraph[Any, Any, Any, Any]

CONFIG: RunnableConfig = {"configurable": {"thread_id": "1", "delay": 0}}


@pytest.fixture
def agent() -> Graph:
    return graph.copy({"checkpointer": InMemorySaver()})


def said(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def kinds(messages: list[AnyMessage]) -> list[str]:
    return [message.type for message in messages]


def test_it_leaves_the_checkpointer_to_the_server() -> None:
    assert graph.checkpointer is None


async def test_its_tokens_arrive_one_by_one(agent: Graph) -> None:
    chunks: list[Any] = [
        chunk async for chunk, _ in agent.astream(said("Hello"), CONFIG, stream_mode="messages")
    ]

    assert len(chunks) > 10
    assert all(isinstance(chunk, AIMessageChunk) and len(chunk.text.split()) <= 1 for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == 1
    assert (await agent.aget_state(CONFIG)).values["messages"][-1].text == "".join(c.text for c in chunks)


async def test_it_calls_the_tool_that_is_asked_for(agent: Graph) -> None:
    messages = (await agent.ainvoke(said("What is 12 * (3 + 4)?"), CONFIG))["messages"]

    assert kinds(messages) == ["human", "ai", "tool", "ai"]
    assert (messages[2].name, messages[2].text) == ("calculator", "12 * (3 + 4) = 84")
    assert "84" in messages[3].text


async def test_it_calls_several_tools_at_once(agent: Graph) -> None:
    question = said("What is the weather in Rome, the time in Tokyo, and what is 2 + 2?")

    messages = (await agent.ainvoke(question, CONFIG))["messages"]

    tools = [message.name for message in messages if isinstance(message, ToolMessage)]
    assert tools == ["get_weather", "calculator", "clock"]


async def test_a_tool_that_refuses_does_not_fail_the_run(
    agent: Graph,
) -> None:
    messages = (await agent.ainvoke(said("What is 1 / 0?"), CONFIG))["messages"]

    assert messages[2].status == "error"
    assert messages[3].text == "I cannot work out 1 / 0: division by zero."


async def test_a_second_turn_sees_the_first(agent: Graph) -> None:
    await agent.ainvoke(said("I am Ada"), CONFIG)

    messages = (await agent.ainvoke(said("Who am I?"), CONFIG))["messages"]

    assert kinds(messages) == ["human", "ai", "human", "ai"]
    assert "“I am Ada”" in messages[-1].text


def test_it_works_without_an_event_loop(agent: Graph) -> None:
    chunks = list(agent.stream(said("What is 2 + 2?"), CONFIG, stream_mode="messages"))

    assert len(chunks) > 10
    assert agent.get_state(CONFIG).values["messages"][-1].text == "2 + 2 = 4"
