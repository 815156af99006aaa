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
from datetime import timedelta
from typing import Any

import orjson
from langgraph.types import Send
from pydantic import BaseModel

OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
# An escaped NUL, but not an escaped backslash followed by "u0000".
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class EncodedJSON(str):
    """JSON text that is stored as it is, without being parsed and encoded again."""

    __slots__ = ()


def encode(value: Any) -> str:
    """One line of JSON. Never fails: what has no JSON form is written as its ``repr``.

    Lone surrogates, which UTF-8 cannot carry, become question marks; NaN and infinities become null.
    """
    try:
        return orjson.dumps(value, default=as_json, option=OPTIONS).decode()
    except TypeError:
        # orjson refuses surrogates, integers beyond 64 bits and keys that are no scalars.
        text = json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace").decode()


def encode_for_jsonb(value: Any) -> EncodedJSON:
    """As ``encode``, with NUL characters replaced by U+FFFD: jsonb cannot hold them."""
    text = encode(value)
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


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [_plain(item) for item in value]
    try:
        return orjson.loads(orjson.dumps(value, option=OPTIONS))
    except TypeError:
        return _plain(as_json(value))
