from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

COUNTS = ("input_tokens", "output_tokens", "total_tokens")


class UsageCallback(AsyncCallbackHandler):
    """Adds up the tokens that the models of a run report, whatever they are called.

    LangChain's own UsageMetadataCallbackHandler leaves out models that report no name, and being
    synchronous it is run in a thread for every streamed token.
    """

    run_inline = True  # or every streamed token waits for a task that does nothing

    def __init__(self) -> None:
        self._total = dict.fromkeys(COUNTS, 0)

    @property
    def total(self) -> dict[str, int] | None:
        """None if no model reported anything."""
        return self._total if self._total["total_tokens"] else None

    async def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        for generations in response.generations:
            for generation in generations:
                message = generation.message if isinstance(generation, ChatGeneration) else None
                if isinstance(message, AIMessage) and message.usage_metadata:
                    for name in COUNTS:
                        self._total[name] += int(message.usage_metadata.get(name) or 0)  # type: ignore[call-overload]
