"""A chat model without a model: it needs no key and no network, and streams as a hosted one does."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Self

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field
from typing_extensions import TypedDict

from examples.fake_replies import reply

MODEL_NAME = "skeino-example"


class ModelSettings(TypedDict, total=False):
    """What a run, or an assistant, may set for the model: the pause before each token, in seconds."""

    delay: float


class FakeModel(BaseChatModel):
    """Says what ``fake_replies`` makes of the conversation, or always the same when ``says`` is given."""

    delay: float = Field(default=0.015, ge=0)
    says: str | None = None

    @classmethod
    def configured(cls, config: RunnableConfig, *, says: str | None = None) -> Self:
        """Build the model with the delay that the run's configuration asks for."""
        delay = config.get("configurable", {}).get("delay")
        return cls(says=says) if delay is None else cls(says=says, delay=delay)

    @property
    def _llm_type(self) -> str:
        return MODEL_NAME

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages, kwargs.get("tools", [])):
            time.sleep(self.delay)
            yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages, kwargs.get("tools", [])):
            # Without a delay too: giving way to the loop lets every token leave before the next is made.
            await asyncio.sleep(self.delay)
            yield ChatGenerationChunk(message=chunk)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return generate_from_stream(self._stream(messages, **kwargs))

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, **kwargs))

    def _chunks(self, messages: list[BaseMessage], tools: list[dict[str, Any]]) -> Iterator[AIMessageChunk]:
        names = [tool["function"]["name"] for tool in tools]
        answer = AIMessage(self.says) if self.says is not None else reply(messages, names)
        tokens = list(_spoken(answer))
        yield from tokens
        heard, spoken = sum(len(message.text.split()) for message in messages), len(tokens)
        yield AIMessageChunk(
            content="",
            usage_metadata=UsageMetadata(
                input_tokens=heard, output_tokens=spoken, total_tokens=heard + spoken
            ),
            response_metadata={"model_name": MODEL_NAME},
            chunk_position="last",
        )


def _spoken(answer: AIMessage) -> Iterator[AIMessageChunk]:
    for word in re.findall(r"\S+\s*|\s+", answer.text):
        yield AIMessageChunk(content=word)
    for index, call in enumerate(answer.tool_calls):
        yield from _called(call, index)


def _called(call: ToolCall, index: int) -> Iterator[AIMessageChunk]:
    """Stream a tool call as hosted models do: first its name and id, then its arguments in pieces."""
    opening = tool_call_chunk(name=call["name"], args="", id=call["id"], index=index)
    yield AIMessageChunk(content="", tool_call_chunks=[opening])
    for piece in re.findall(r".{1,8}", json.dumps(call["args"], ensure_ascii=False)):
        yield AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(args=piece, index=index)])
