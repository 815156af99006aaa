"""The messages and the state of a thread as its pages show them: a part at a time, and all of it capped.

Postgres does the cutting, so that a state of many megabytes is never in the web process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BigIntegerField, F, Func
from django.db.models.functions import Coalesce

from threads.encoding import encode
from threads.models import Thread

PER_PAGE = 30
# Characters of JSON: longer messages and values of the state are shown cut, and not as a tree.
MAX_MESSAGE = 100_000
MAX_VALUE = 200_000
CUT = 4000
# Bytes, as stored.
MAX_READ = 2_000_000
MAX_KEYS = 200

MESSAGES = """
SELECT m.place, length(m.text), CASE WHEN length(m.text) <= %(max)s THEN m.text ELSE left(m.text, %(cut)s) END
FROM (
    SELECT place, message::text AS text
    FROM threads_thread t
    CROSS JOIN LATERAL jsonb_path_query_array(t.values, '$.messages[*]') a (messages)
    CROSS JOIN LATERAL generate_series(%(first)s, %(last)s) place
    CROSS JOIN LATERAL (SELECT a.messages -> place AS message) b
    WHERE t.id = %(thread)s AND message IS NOT NULL
) m ORDER BY m.place
"""
VALUES = """
SELECT key, length(text), CASE WHEN length(text) <= %(max)s THEN text ELSE left(text, %(cut)s) END
FROM (
    SELECT key, value::text AS text
    FROM threads_thread t
    CROSS JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof(t.values) = 'object' THEN t.values END)
    WHERE t.id = %(thread)s ORDER BY key LIMIT %(keys)s
) v
"""


@dataclass(frozen=True)
class ToolCall:
    name: str
    args: Any


@dataclass(frozen=True)
class Message:
    """A message as a conversation shows it. ``rest`` is what it has beside its text."""

    place: int
    role: str
    name: str
    text: str
    tool_calls: list[ToolCall]
    is_cut: bool = False
    rest: Any = None


class Part(NamedTuple):
    """``before`` is where the part before this one ends, None if this is the first."""

    messages: list[Message]
    total: int
    before: int | None


class Value(NamedTuple):
    """One key of a state. ``value`` is only the beginning of its JSON if that is too long."""

    key: str
    value: Any
    length: int
    is_cut: bool


def part(thread: Thread, before: int | None = None) -> Part:
    """The messages of the latest state before that place: without one, the last."""
    total = thread.message_count or 0
    end = total if before is None else max(min(before, total), 0)
    first = max(end - PER_PAGE, 0)
    limits: dict[str, Any] = {"first": first, "last": end - 1, "max": MAX_MESSAGE, "cut": CUT}
    with connection.cursor() as cursor:
        cursor.execute(MESSAGES, {"thread": thread.pk, **limits})
        rows = cursor.fetchall()
    return Part([_message(*row) for row in rows], total, first or None)


def values(thread: Thread) -> list[Value]:
    """The keys of the latest state, without more of a large one than its beginning."""
    limits: dict[str, Any] = {"max": MAX_VALUE, "cut": CUT, "keys": MAX_KEYS}
    with connection.cursor() as cursor:
        cursor.execute(VALUES, {"thread": thread.pk, **limits})
        rows = cursor.fetchall()
    return [
        Value(key, text if length > MAX_VALUE else json.loads(text), length, length > MAX_VALUE)
        for key, length, text in rows
    ]


def cut(state: dict[str, Any]) -> list[Value]:
    """As ``values``, of a state that is here already."""
    texts = [(key, value, encode(value)) for key, value in sorted(state.items())[:MAX_KEYS]]
    return [
        Value(key, text[:CUT] if len(text) > MAX_VALUE else value, len(text), len(text) > MAX_VALUE)
        for key, value, text in texts
    ]


def is_large(thread: Thread, column: str = "values") -> bool:
    """Whether the state, or the interrupts, are too large for a web process to read. Does not read them."""
    size = Coalesce(Func(F(column), function="pg_column_size", output_field=BigIntegerField()), 0)
    found = Thread.objects.filter(pk=thread.pk).annotate(size=size).values_list("size", flat=True).first()
    return (found or 0) > MAX_READ


def _message(place: int, length: int, text: str) -> Message:
    if length > MAX_MESSAGE:
        return Message(place, "", "", text, [], is_cut=True)
    found = json.loads(text)
    if not isinstance(found, dict):
        return Message(place, "", "", found if isinstance(found, str) else text, [])
    role = str(found.get("type") or found.get("role") or "")
    said, others = _text(found.get("content"))
    calls = found.get("tool_calls")
    return Message(
        place,
        {"user": "human", "assistant": "ai"}.get(role, role),
        str(found.get("name") or ""),
        said,
        [_tool_call(call) for call in calls] if isinstance(calls, list) else [],
        rest=others or None,
    )


def _text(content: Any) -> tuple[str, list[Any]]:
    """What of a message's content is text, and what is not."""
    if isinstance(content, str):
        return content, []
    if content is None:
        return "", []
    texts, others = [], []
    for block in content if isinstance(content, list) else [content]:
        if isinstance(block, str):
            texts.append(block)
        elif isinstance(block, dict) and isinstance(block.get("text"), str):
            texts.append(block["text"])
        else:
            others.append(block)
    return "\n\n".join(texts), others


def _tool_call(call: Any) -> ToolCall:
    if not isinstance(call, dict):
        return ToolCall("", call)
    function = call.get("function")
    if isinstance(function, dict):  # as OpenAI has them
        return ToolCall(str(function.get("name") or ""), function.get("arguments"))
    return ToolCall(str(call.get("name") or ""), call.get("args"))
