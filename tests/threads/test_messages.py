from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from threads.messages import convert


def converted(*messages: Any) -> list[Any]:
    found = convert({"messages": list(messages)})["messages"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "user", "content": "hi"}, HumanMessage("hi")),
        ({"role": "human", "content": "hi"}, HumanMessage("hi")),
        ({"type": "human", "content": "hi", "id": "1"}, HumanMessage("hi", id="1")),
        ({"role": "assistant", "content": "hi"}, AIMessage("hi")),
        ({"type": "ai", "content": "hi", "name": "bot"}, AIMessage("hi", name="bot")),
        ({"role": "system", "content": "hi"}, SystemMessage("hi")),
        ({"type": "tool", "content": "4", "tool_call_id": "1"}, ToolMessage("4", tool_call_id="1")),
        (
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            HumanMessage([{"type": "text", "text": "hi"}]),
        ),
    ],
)
def test_what_clients_send_becomes_a_message(message: dict[str, Any], expected: Any) -> None:
    assert converted(message) == [expected]


def test_tool_calls_are_kept() -> None:
    call = {"name": "add", "args": {"a": 1}, "id": "1", "type": "tool_call"}
    [message] = converted({"type": "ai", "content": "", "tool_calls": [call]})
    assert message.tool_calls == [call]


def test_what_a_server_sent_can_be_sent_back() -> None:
    message = AIMessage("hi", id="1", tool_calls=[{"name": "add", "args": {}, "id": "1"}])
    [found] = converted(message.model_dump())
    assert (found.type, found.id, found.content) == ("ai", "1", "hi")
    assert found.tool_calls == message.tool_calls


def test_the_order_and_the_other_keys_are_kept() -> None:
    given = {"messages": [{"role": "user", "content": str(n)} for n in range(3)], "text": "x"}
    found = convert(given)
    assert [message.content for message in found["messages"]] == ["0", "1", "2"]
    assert found["text"] == "x"
    assert given["messages"][0] == {"role": "user", "content": "0"}


@pytest.mark.parametrize(
    "value",
    [None, "text", 1, [], {}, {"text": "x"}, {"messages": None}, {"messages": "hi"}, {"messages": {"a": 1}}],
)
def test_what_holds_no_list_of_messages_stays_as_it_is(value: Any) -> None:
    assert convert(value) == value


@pytest.mark.parametrize("item", ["hi", 1, None, ["user", "hi"], {}, {"content": "hi"}, {"role_": "user"}])
def test_what_does_not_claim_to_be_a_message_stays_as_it_is(item: Any) -> None:
    assert converted(item) == [item]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "stranger", "content": "hi"},
        {"role": None, "content": "hi"},
        {"role": ["user"], "content": "hi"},
        {"role": "user"},
        {"role": "user", "content": 1},
        {"role": "user", "content": {"a": 1}},
        {"role": "tool", "content": "4"},
        {"type": "tool", "content": None},
        {"type": "tool", "content": "4", "tool_call_id": None},
        {"type": "ai", "content": "", "tool_calls": "add"},
        {"type": "ai", "content": "", "tool_calls": [1]},
        {"type": "ai", "content": "", "tool_calls": [{"name": "add"}]},
        {"type": "remove"},
    ],
)
def test_a_message_that_is_none_is_refused_in_one_sentence(message: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^Invalid message: ") as raised:
        converted(message)
    assert len(str(raised.value).splitlines()) == 1


ROLES = ["user", "human", "ai", "assistant", "system", "developer", "tool", "function", "remove", "chat"]
KEYS = ["type", "content", "id", "name", "tool_calls", "tool_call_id", "additional_kwargs", "lc", "kwargs"]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(ROLES),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*KEYS, "text", "function", "arguments"]), inner, max_size=3)
    ),
    max_leaves=5,
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(ROLES) | values}, optional=dict.fromkeys(KEYS, values)
)


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(messages)
def test_no_message_does_more_than_be_refused(message: dict[str, Any]) -> None:
    try:
        converted(message)
    except ValueError as exc:
        assert str(exc).startswith("Invalid message: ")
