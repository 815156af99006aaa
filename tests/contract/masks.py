"""Ids and times: what differs between two servers that do the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{32}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00|Z)")
SYMBOL = re.compile(r"<id\d+>")

TIME_MASK = "<time>"
RECEIVER = "<receiver>"  # where webhooks go
TEXT = "<text>"  # in the place of a sentence in words of the server's own
ANYTHING = "<anything>"  # in the place of what is not compared
ITSELF = "<itself>"  # a key in the place of those by which the official server describes itself
REST = "<rest>"  # the last item of a list, or a key, where a recording is cut off


def each_string(value: Any, replace: Callable[[str], str]) -> Any:
    """The JSON value with every string in it replaced, keys too."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list):
        return [each_string(item, replace) for item in value]
    if isinstance(value, dict):
        return {replace(key): each_string(item, replace) for key, item in value.items()}
    return value


def closed(text: str) -> str:
    """JSON that was cut off somewhere, made whole again: it ends with REST wherever something is missing."""
    brackets: list[str] = []
    cut, open_at_cut, in_string, escaped = 0, "", False, False
    for position, character in enumerate(text):
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            brackets.append(character)
        elif character in "]}":
            brackets.pop()
        elif character == ",":
            cut, open_at_cut = position, "".join(brackets)
    ends = {"[": f', "{REST}"]', "{": f', "{REST}": null}}'}
    return text[:cut] + "".join(ends[bracket] for bracket in reversed(open_at_cut))
