from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from examples.approval import graph

Graph = CompiledStateGraph[Any, Any, Any, Any]

CONFIG: RunnableConfig = {"configurable": {"thread_id": "1", "delay": 0}}
ASKED = {"messages": [{"role": "user", "content": "Invite ada@example.com to lunch"}]}
EDITED = {"type": "edit", "edited_action": {"name": "send_email", "args": {"subject": "Lunch at one"}}}


@pytest.fixture
def approval() -> Graph:
    return graph.compile(checkpointer=InMemorySaver())


def test_it_is_left_to_the_server_to_compile() -> None:
    assert isinstance(graph, StateGraph)


async def test_it_asks_before_it_sends(approval: Graph) -> None:
    result = await approval.ainvoke(ASKED, CONFIG)

    [request] = result["__interrupt__"][0].value["action_requests"]
    [review] = result["__interrupt__"][0].value["review_configs"]
    assert request["name"] == review["action_name"] == "send_email"
    assert (request["args"]["to"], request["args"]["subject"]) == ("ada@example.com", "Invite to lunch")
    assert review["allowed_decisions"] == ["approve", "edit", "reject"]
    assert result["outbox"] == []


@pytest.mark.parametrize("answer", ["approve", {"type": "approve"}, {"decisions": [{"type": "approve"}]}])
async def test_it_sends_what_is_approved(approval: Graph, answer: str | dict[str, Any]) -> None:
    await approval.ainvoke(ASKED, CONFIG)

    result = await approval.ainvoke(Command(resume=answer), CONFIG)

    assert [email["subject"] for email in result["outbox"]] == ["Invite to lunch"]
    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
    assert result["messages"][-1].text == "The e-mail “Invite to lunch” to ada@example.com is on its way."


async def test_it_sends_the_edited_version(approval: Graph) -> None:
    await approval.ainvoke(ASKED, CONFIG)

    result = await approval.ainvoke(Command(resume={"decisions": [EDITED]}), CONFIG)

    [email] = result["outbox"]
    assert (email["to"], email["subject"]) == ("ada@example.com", "Lunch at one")
    assert result["messages"][1].tool_calls[0]["args"] == email
    assert len(result["messages"]) == 4


async def test_it_sends_nothing_that_is_rejected(approval: Graph) -> None:
    await approval.ainvoke(ASKED, CONFIG)
    rejection = {"type": "reject", "message": "Too formal."}

    result = await approval.ainvoke(Command(resume={"decisions": [rejection]}), CONFIG)

    assert result["outbox"] == []
    assert result["messages"][2].status == "error"
    assert result["messages"][-1].text.endswith("because you said: Too formal.")


async def test_it_asks_again_when_the_answer_makes_no_sense(approval: Graph) -> None:
    await approval.ainvoke(ASKED, CONFIG)

    result = await approval.ainvoke(Command(resume={"type": "maybe"}), CONFIG)

    assert result["__interrupt__"][0].value["action_requests"]
    result = await approval.ainvoke(Command(resume="approve"), CONFIG)
    assert len(result["outbox"]) == 1


async def test_the_draft_streams(approval: Graph) -> None:
    chunks: list[Any] = [chunk async for chunk, _ in approval.astream(ASKED, CONFIG, stream_mode="messages")]

    assert len([chunk for chunk in chunks if chunk.text]) > 5
    assert len([chunk for chunk in chunks if chunk.tool_call_chunks]) > 5


async def test_the_outbox_keeps_what_earlier_turns_sent(approval: Graph) -> None:
    for _ in range(2):
        await approval.ainvoke(ASKED, CONFIG)
        result = await approval.ainvoke(Command(resume="approve"), CONFIG)

    assert len(result["outbox"]) == 2


def test_it_works_without_an_event_loop(approval: Graph) -> None:
    approval.invoke(ASKED, CONFIG)

    assert len(approval.invoke(Command(resume="approve"), CONFIG)["outbox"]) == 1


async def test_it_drafts_nothing_when_nothing_was_said(approval: Graph) -> None:
    result = await approval.ainvoke({"messages": []}, CONFIG)

    assert "__interrupt__" not in result
