"""What the tests ask of the SDK's streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from langgraph_sdk.schema import StreamPart


async def collect(stream: AsyncIterator[Any]) -> list[Any]:
    return [part async for part in stream]


def names(parts: Iterable[StreamPart]) -> list[str]:
    return [part.event for part in parts]


def payloads(parts: Iterable[StreamPart], name: str) -> list[Any]:
    """The data of the parts of that name."""
    return [part.data for part in parts if part.event == name]
