from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from examples.fake_model import FakeModel
from runs.usage import UsageCallback


def reported(read: int, written: int) -> ChatGeneration:
    usage = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
    return ChatGeneration(message=AIMessage("hi", usage_metadata=usage))


async def test_it_adds_up_what_models_report() -> None:
    usage = UsageCallback()
    await usage.on_llm_end(LLMResult(generations=[[reported(1, 2)], [reported(3, 4)]]))
    await usage.on_llm_end(LLMResult(generations=[[reported(10, 20)]]))
    assert usage.total == {"input_tokens": 14, "output_tokens": 26, "total_tokens": 40}


@pytest.mark.parametrize("silent", [ChatGeneration(message=AIMessage("hi")), Generation(text="hi")])
async def test_it_leaves_out_models_that_report_nothing(silent: Generation) -> None:
    usage = UsageCallback()
    await usage.on_llm_end(LLMResult(generations=[[silent]]))
    assert usage.total is None


async def test_it_hears_models_that_are_streamed() -> None:
    usage = UsageCallback()
    model = FakeModel(delay=0, says="one two three")
    async for _ in model.astream([HumanMessage("hi there")], {"callbacks": [usage]}):
        pass
    assert usage.total == {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}


def test_it_hears_models_that_are_called_synchronously() -> None:
    usage = UsageCallback()
    FakeModel(delay=0, says="one").invoke([HumanMessage("hi")], {"callbacks": [usage]})
    assert usage.total == {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
