"""Graph values as JSON: messages, interrupts, pydantic models, whatever a state holds.

One encoder for events, stored values and responses, so that a value looks the same wherever it is read.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import Any

import orjson
from langgraph.types import Send
from pydantic import BaseModel

OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
# orjson itself goes some 250 levels deep.
MAX_DEPTH = 250
# Beyond this, most readers of JSON see infinity.
LARGEST = 10**308
# An escaped NUL, but not an escaped backslash followed by "u0000".
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class EncodedJSON(str):
    """JSON text that is stored as it is, without being parsed and encoded again."""

    __slots__ = ()


def encode(value: Any) -> str:
    """One line of JSON. Never fails: what has no JSON form is written as its ``repr``.

    Lone surrogates, which UTF-8 cannot carry, become question marks; NaN and infinities become null; what
    nests deeper than MAX_DEPTH, or in itself, becomes an ellipsis.
    """
    try:
        return orjson.dumps(value, default=as_json, option=OPTIONS).decode()
    except TypeError:
        # orjson refuses surrogates, integers beyond 64 bits, keys that are no scalars, and great depth.
        text = json.dumps(_plain(value, ()), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace").decode()


def encode_for_jsonb(value: Any) -> EncodedJSON:
    """As ``encode``, but see ``for_jsonb``."""
    return for_jsonb(encode(value))


def for_jsonb(text: str) -> EncodedJSON:
    """JSON with NUL characters replaced by U+FFFD: jsonb cannot hold them."""
    return EncodedJSON(_NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text)


def as_json(value: Any) -> Any:
    """What orjson asks for: a value of a simpler type. Messages become LangChain's own dicts."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, type) and issubclass(value, BaseModel):
        return value.model_json_schema()
    if isinstance(value, Send):
        return {"node": value.node, "arg": value.arg}
    if isinstance(value, (set, frozenset, deque)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):  # a named tuple
        return list(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, BaseException):
        return {"error": type(value).__name__, "message": str(value)}
    return repr(value)


def _plain(value: Any, around: tuple[int, ...]) -> Any:
    """The value in terms of what ``json`` writes. ``around`` are the ids of what it stands in."""
    if value is None or isinstance(value, bool) or type(value) is str:
        return value
    if type(value) is int:
        return value if abs(value) < LARGEST else hex(value)
    if type(value) is float:
        return value if math.isfinite(value) else None
    if id(value) in around or len(around) == MAX_DEPTH:
        return "…"
    return _plain_container(value, (*around, id(value)))


def _plain_container(value: Any, around: tuple[int, ...]) -> Any:
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, around) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [_plain(item, around) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name, None), around) for field in fields(value)}
    try:
        return orjson.loads(orjson.dumps(value, option=OPTIONS))
    except TypeError:
        return _plain(_simpler(value), around)


def _simpler(value: Any) -> Any:
    try:
        return as_json(value)
    except Exception:  # whatever somebody's `model_dump` or `__repr__` raises
        return _represented(value)


def _represented(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # as above
        return f"<{type(value).__name__}>"


def _key(key: Any) -> str:
    """A key as orjson writes it; for those it refuses, their ``repr``."""
    if isinstance(key, str):
        return key
    try:
        return next(iter(orjson.loads(orjson.dumps({key: 0}, option=OPTIONS))))
    except TypeError:
        return str(_plain(key, ())) if isinstance(key, int) else _represented(key)
