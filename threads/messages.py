"""Messages in the input of a run: from the forms that clients send to LangChain's."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage, convert_to_messages

# What LangChain raises at what it takes for a message and cannot read.
REFUSALS = (ValueError, TypeError, NotImplementedError, LookupError, AttributeError, AssertionError)


def convert(value: Any, *, most: int | None = None) -> Any:
    """Input with its ``messages`` as LangChain messages; anything else as it came.

    Raises ValueError, with a sentence for the client, for a message that cannot be converted, and for more
    messages than ``most``.
    """
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
        return value
    if most is not None and len(value["messages"]) > most:
        raise ValueError(f"There may be no more than {most} messages.")
    return {**value, "messages": [_convert(message) for message in value["messages"]]}


def _convert(message: Any) -> BaseMessage | Any:
    if not isinstance(message, dict) or not ({"role", "type"} & message.keys()):
        return message
    try:
        return convert_to_messages([message])[0]
    except REFUSALS as exc:
        reason = " ".join(str(exc).split())[:500] or type(exc).__name__
        raise ValueError(f"Invalid message: {reason}") from exc
