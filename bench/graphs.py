"""The graph that everybody serves: one node per task, and the input's ``task`` names the node.

==========  ===========================================================================
``echo``    one message that repeats the last one
``tokens``  a chat model without a network: 200 tokens at once
``paced``   the same model: 50 tokens, one every 20 ms
``custom``  the same tokens without a chat model, written by the node as ``custom`` events
``steps``   a chain of 20 nodes that count: 22 checkpoints a run
==========  ===========================================================================

One graph, for there are servers that serve only one. A message like ``emit 500x0.05`` asks for 500 tokens
50 ms apart. A token is the monotonic clock's time at which it was made, so that a client on the same machine
knows how long it was on its way. This module is also loaded by itself, in the environments of other servers:
it imports LangGraph and nothing of the project.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
import re
import time
from collections.abc import AsyncIterator, Hashable
from typing import Annotated, Any, TypedDict

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

STEPS = 20
WISH = re.compile(r"emit (\d+)x([\d.]+)")


class State(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    count: Annotated[int, operator.add]
    task: str


async def clock(messages: list[Any], tokens: int, delay: float) -> AsyncIterator[str]:
    """So many tokens, so many seconds apart, unless the last message wishes otherwise.

    Each has a time of its own, counted from the first: whoever takes them late does not delay the next.
    Without a delay the loop still gets its turn between two, as it would from a socket.
    """
    if wish := WISH.search(str(messages[-1].content)):
        tokens, delay = int(wish[1]), float(wish[2])
    begun = time.monotonic()
    for number in range(1, tokens + 1):
        await asyncio.sleep(max(0.0, begun + number * delay - time.monotonic()) if delay else 0)
        yield f"{time.monotonic():.6f} "


class ClockModel(BaseChatModel):
    """A chat model that says what time it is."""

    tokens: int
    delay: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "clock"

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for token in clock(messages, self.tokens, self.delay):
            yield ChatGenerationChunk(message=AIMessageChunk(content=token))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = "".join([token async for token in clock(messages, self.tokens, self.delay)])
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("All nodes are asynchronous: no server's threads are measured.")


at_once, paced_model = ClockModel(tokens=200), ClockModel(tokens=50, delay=0.02)


async def echo(state: State) -> State:
    return {"messages": [AIMessage(f"echo: {state['messages'][-1].content}")]}


async def tokens(state: State) -> State:
    return {"messages": [await at_once.ainvoke(state["messages"][-1:])]}


async def paced(state: State) -> State:
    return {"messages": [await paced_model.ainvoke(state["messages"][-1:])]}


async def custom(state: State) -> State:
    write = get_stream_writer()
    async for token in clock(state["messages"], 200, 0.0):
        write({"token": token})
    return {"messages": [AIMessage("done")]}


async def step(state: State) -> State:
    return {"count": 1}


def build(checkpointer: Any = None) -> Any:
    """The compiled graph. Without a checkpointer, for servers that bring theirs."""
    builder = StateGraph(State)
    for name, node in {"echo": echo, "tokens": tokens, "paced": paced, "custom": custom}.items():
        builder.add_node(name, node)
        builder.add_edge(name, END)
    chain = [f"step{number:02}" for number in range(1, STEPS + 1)]
    for name in chain:
        builder.add_node(name, step)
    for earlier, later in itertools.pairwise([*chain, END]):
        builder.add_edge(earlier, later)
    tasks: dict[Hashable, str] = {
        "echo": "echo",
        "tokens": "tokens",
        "paced": "paced",
        "custom": "custom",
        "steps": chain[0],
    }
    builder.add_conditional_edges(START, lambda state: state["task"], tasks)
    return builder.compile(checkpointer=checkpointer, name="mux")


mux = build()
