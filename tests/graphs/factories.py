"""Graphs made by functions."""

import asyncio
from typing import Any

from langchain_core.runnables import RunnableConfig

from tests.graphs.plain import Text, one_node


def with_config(config: RunnableConfig) -> Any:
    """A graph that says what its factory was told."""
    greeting = config["configurable"].get("greeting", "hello")

    async def greet(state: Text) -> Text:
        return {"log": [f"{greeting} {state.get('text')}"]}

    return one_node(Text, greet)


async def asynchronous() -> Any:
    """A graph that takes a while to make."""
    await asyncio.sleep(0)

    async def greet(state: Text) -> Text:
        return {"log": ["made asynchronously"]}

    return one_node(Text, greet).compile()
