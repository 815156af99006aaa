"""A chat model that says the same words, in the same pieces, as the one behind the recordings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

CALL = ToolCall(name="get_weather", args={"city": "Paris"}, id="call_1")


class FakeModel(BaseChatModel):
    """Asked for the weather it calls a tool, after the tool it reports, else it greets.

    Only what it streams has a count of tokens.
    """

    delay: float = 0.002

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(ls_provider="fakemodel", ls_model_type="chat", ls_model_name="fake-1")

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        words = _words(messages)
        message = AIMessage("".join(words)) if words else AIMessage("", tool_calls=[CALL])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(_words(messages)):
            yield ChatGenerationChunk(message=chunk)
            time.sleep(self.delay)


def _words(messages: list[BaseMessage]) -> list[str]:
    """What the model says; nothing if it calls its tool instead."""
    if messages[-1].type == "tool":
        return ["It", " is", " sunny", " in", " Paris."]
    return [] if "weather" in messages[-1].text else ["Hello", " there", " friend."]


def _chunks(words: list[str]) -> Iterator[AIMessageChunk]:
    if not words:
        yield _piece(name=CALL["name"], args="", id=CALL["id"])
        yield _piece(args='{"city": ')
        yield _piece(args='"Paris"}')
    for number, word in enumerate(words, 1):
        count = UsageMetadata(input_tokens=5, output_tokens=number, total_tokens=5 + number)
        yield AIMessageChunk(content=word, usage_metadata=count if number == len(words) else None)


def _piece(**call: Any) -> AIMessageChunk:
    return AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(index=0, **call)])
