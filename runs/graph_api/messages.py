"""Messages as this API writes them: a role and a content, which is a string wherever it can be."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)

from threads.encoding import encode
from threads.messages import REFUSALS

# What clients may call a role, and what it is called in answers.
ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "system": "system",
    "tool": "tool",
}
ROLE_OF_TYPE = {HumanMessage: "user", AIMessage: "assistant", SystemMessage: "system", ToolMessage: "tool"}

# Clients send this id with every new message; used, each would replace the one before.
NO_ID = ("", "0")


def joined(content: Any) -> Any:
    """Content as a string if it is text alone; else as the list of blocks that it is."""
    if not isinstance(content, list):
        return content
    texts = [_text(block) for block in content]
    return content if None in texts else "".join(texts)  # type: ignore[arg-type]


def _text(block: Any) -> str | None:
    if isinstance(block, str):
        return block
    if isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str):
        return str(block["text"])
    return None


def as_input(message: dict[str, Any]) -> dict[str, Any]:
    """A client's message as LangChain reads it. Keys that say nothing are left out."""
    message_id = str(message.get("message_id") or "")
    given = {
        "role": ROLES[message["role"]],
        "content": joined(message.get("content") or ""),
        "name": message.get("name"),
        "tool_calls": message.get("tool_calls"),
        "tool_call_id": message.get("tool_call_id"),
        "id": None if message_id in NO_ID else message_id,
    }
    return {key: value for key, value in given.items() if value is not None}


def as_output(message: BaseMessage) -> dict[str, Any]:
    """A message as this API shows it, with the keys that say something."""
    shown = {
        "role": role(message),
        "content": joined(message.content),
        "name": message.name,
        "tool_calls": list(message.tool_calls) if isinstance(message, AIMessage) else None,
        "tool_call_id": message.tool_call_id if isinstance(message, ToolMessage) else None,
        "message_id": message.id,
    }
    return {key: value for key, value in shown.items() if value or key in ("role", "content")}


def role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    named = (name for kind, name in ROLE_OF_TYPE.items() if isinstance(message, kind))
    return next(named, message.type)


def read(item: Any) -> BaseMessage | None:
    """A message from whatever form of it a state holds; None for what is none."""
    if isinstance(item, BaseMessage):
        return item
    if not isinstance(item, dict) or not ({"role", "type"} & item.keys()):
        return None
    try:
        return convert_to_messages([item])[0]
    except REFUSALS:
        return None


def conversation(values: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The values that a graph shows, as its messages and all the rest."""
    if not isinstance(values, dict):
        return [], {} if values is None else {"__root__": values}
    found = values.get("messages")
    items = found if isinstance(found, (list, tuple)) else [] if found is None else [found]
    rest = {key: value for key, value in values.items() if key != "messages"}
    return [_shown(item) for item in items], rest


def _shown(item: Any) -> dict[str, Any]:
    message = read(item)
    if message is None:  # a state may call anything a message
        return {"role": "unknown", "content": item if isinstance(item, str) else encode(item)}
    return as_output(message)
