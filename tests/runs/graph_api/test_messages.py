from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from runs.graph_api.messages import as_input, as_output, conversation, joined
from threads.messages import convert

IMAGE = {"type": "image", "url": "https://example.com/a.png"}
CALL = {"name": "look", "args": {"at": "it"}, "id": "call_1", "type": "tool_call"}


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("text", "text"),
        ([{"type": "text", "text": "two "}, {"type": "text", "text": "blocks"}], "two blocks"),
        (["two ", {"type": "text", "text": "parts"}], "two parts"),
        ([], ""),
        ([{"type": "text", "text": "see"}, IMAGE], [{"type": "text", "text": "see"}, IMAGE]),
        ([{"type": "text"}], [{"type": "text"}]),
    ],
)
def test_content_that_is_text_alone_is_a_string(content: Any, shown: Any) -> None:
    assert joined(content) == shown


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("user", HumanMessage),
        ("human", HumanMessage),
        ("assistant", AIMessage),
        ("ai", AIMessage),
        ("system", SystemMessage),
    ],
)
def test_a_role_becomes_a_kind_of_message(role: str, kind: type[BaseMessage]) -> None:
    [message] = convert({"messages": [as_input({"role": role, "content": "hi"})]})["messages"]
    assert (type(message), message.content, message.id) == (kind, "hi", None)


@pytest.mark.parametrize(
    ("given", "used"), [("m1", "m1"), (7, "7"), ("0", None), (0, None), ("", None), (None, None)]
)
def test_an_id_is_used_unless_it_is_the_one_that_all_new_messages_have(given: Any, used: str | None) -> None:
    assert as_input({"role": "user", "content": "hi", "message_id": given}).get("id") == used


def test_what_an_assistant_and_a_tool_have_beside_is_kept() -> None:
    asked = {"role": "assistant", "content": None, "tool_calls": [CALL], "name": "bob", "message_id": "m1"}
    answer = {"role": "tool", "content": "seen", "tool_call_id": "call_1", "name": "look"}
    found = convert({"messages": [as_input(asked), as_input(answer)]})["messages"]
    assert found == [
        AIMessage("", tool_calls=[CALL], name="bob", id="m1"),
        ToolMessage("seen", tool_call_id="call_1", name="look"),
    ]
    assert [as_output(message) for message in found] == [
        {"role": "assistant", "content": "", "tool_calls": [CALL], "name": "bob", "message_id": "m1"},
        {"role": "tool", "content": "seen", "tool_call_id": "call_1", "name": "look"},
    ]


@pytest.mark.parametrize(
    ("message", "role"),
    [
        (HumanMessage("x"), "user"),
        (AIMessage("x"), "assistant"),
        (AIMessageChunk(content="x"), "assistant"),
        (SystemMessage("x"), "system"),
        (ChatMessage(content="x", role="critic"), "critic"),
    ],
)
def test_a_message_is_shown_with_its_role_and_no_empty_keys(message: BaseMessage, role: str) -> None:
    assert as_output(message) == {"role": role, "content": "x"}


def test_values_are_the_conversation_and_the_rest() -> None:
    values = {"messages": [HumanMessage("hi"), {"role": "ai", "content": "ho"}], "topic": "none"}
    assert conversation(values) == (
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}],
        {"topic": "none"},
    )


@pytest.mark.parametrize(
    ("values", "messages", "rest"),
    [
        (None, [], {}),
        ({}, [], {}),
        ({"messages": None}, [], {}),
        ({"messages": AIMessage("one")}, [{"role": "assistant", "content": "one"}], {}),
        ({"messages": ["what"]}, [{"role": "unknown", "content": "what"}], {}),
        ({"messages": [{"role": "nobody"}]}, [{"role": "unknown", "content": '{"role":"nobody"}'}], {}),
        (7, [], {"__root__": 7}),
    ],
)
def test_values_of_every_form_are_shown(values: Any, messages: list[Any], rest: dict[str, Any]) -> None:
    assert conversation(values) == (messages, rest)
