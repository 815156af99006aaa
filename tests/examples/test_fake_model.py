from __future__ import annotations

import time
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage, ToolMessage

from examples.fake_model import FakeModel
from examples.fake_replies import reply
from examples.tools import TOOLS

NAMES = [tool.name for tool in TOOLS]


def called(text: str) -> dict[str, dict[str, Any]]:
    return {call["name"]: call["args"] for call in reply([HumanMessage(text)], NAMES).tool_calls}


async def test_it_streams_the_answer_word_by_word() -> None:
    chunks = [chunk async for chunk in FakeModel(delay=0, says="One two three").astream("hello")]

    assert [chunk.text for chunk in chunks] == ["One ", "two ", "three", ""]
    assert [chunk.chunk_position for chunk in chunks] == [None, None, None, "last"]


async def test_it_streams_a_tool_call_in_pieces_that_add_up() -> None:
    model = FakeModel(delay=0).bind_tools(TOOLS)

    chunks: list[Any] = [chunk async for chunk in model.astream("What is the weather in New York?")]

    pieces = [piece for chunk in chunks for piece in chunk.tool_call_chunks]
    assert (pieces[0]["name"], pieces[0]["args"]) == ("get_weather", "")
    assert {piece["name"] for piece in pieces[1:]} == {None}
    whole = sum(chunks[1:], start=chunks[0])
    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [
        ("get_weather", {"city": "New York"})
    ]


async def test_it_reports_usage_and_its_name_once_at_the_end() -> None:
    chunks = [chunk async for chunk in FakeModel(delay=0, says="One two three").astream("Hello there")]

    assert [chunk.usage_metadata for chunk in chunks[:-1]] == [None, None, None]
    assert chunks[-1].usage_metadata == {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}
    assert chunks[-1].response_metadata["model_name"] == "skeino-example"


async def test_it_answers_alike_however_it_is_asked() -> None:
    model = FakeModel(delay=0)
    streamed = "".join(chunk.text for chunk in model.stream("Hello"))

    for answer in [model.invoke("Hello"), await model.ainvoke("Hello")]:
        assert answer.text == streamed
        assert answer.usage_metadata is not None
        assert not isinstance(answer, AIMessageChunk)


def test_it_waits_before_each_token_as_long_as_the_configuration_says() -> None:
    model = FakeModel.configured({"configurable": {"delay": 0.02}}, says="One two three")
    started = time.perf_counter()

    model.invoke("Hello")

    assert time.perf_counter() - started >= 4 * 0.02


def test_it_has_a_small_delay_unless_told() -> None:
    assert FakeModel.configured({}).delay == 0.015
    assert FakeModel.configured({"configurable": {"delay": 0}}).delay == 0


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("What's the weather in new york today?", {"get_weather": {"city": "New York"}}),
        ("Weather?", {"get_weather": {"city": "London"}}),
        ("what time is it", {"clock": {}}),
        ("Tell me the time in Tokyo, please", {"clock": {"place": "Tokyo"}}),
        ("What is 12 * (3 + 4)?", {"calculator": {"expression": "12 * (3 + 4)"}}),
        ("2+2 =", {"calculator": {"expression": "2+2"}}),
        (
            "The forecast for Paris and the time in Rome, and how much is 2^10?",
            {
                "get_weather": {"city": "Paris"},
                "clock": {"place": "Rome"},
                "calculator": {"expression": "2^10"},
            },
        ),
        ("We are open 24/7, 10-12 on Sundays, all the time.", {}),
        ("What is 42?", {}),
    ],
)
def test_it_calls_the_tools_that_a_message_asks_for(text: str, calls: dict[str, dict[str, Any]]) -> None:
    assert called(text) == calls


def test_it_only_calls_tools_that_are_bound() -> None:
    assert reply([HumanMessage("What is 2 + 2?")], ["get_weather"]).tool_calls == []


def test_it_reports_all_the_results_since_it_called() -> None:
    asked = HumanMessage("What is the weather in Rome, and what is 2 + 2?")
    results = [ToolMessage(text, tool_call_id=text) for text in ["Sunny.", "2 + 2 = 4"]]

    assert reply([asked, *results], NAMES).text == "Here is what I found:\n\n- Sunny.\n- 2 + 2 = 4"


def test_it_quotes_the_user_and_counts_the_turns() -> None:
    conversation: list[BaseMessage] = [HumanMessage("I am Ada")]
    conversation += [reply(conversation, []), HumanMessage("Who am I?")]

    answer = reply(conversation, []).text

    assert "“Who am I?”" in answer
    assert "turn 2 " in answer
    assert "“I am Ada”" in answer


def test_it_greets_when_nobody_has_said_anything() -> None:
    assert reply([], NAMES).text.startswith("Hello!")
