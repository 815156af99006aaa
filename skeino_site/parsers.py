from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from assistants.conf import conf


class BodyTooLarge(APIException):
    """The body is larger than this server takes."""

    status_code = 413
    default_code = "too_large"
    default_detail = __doc__


class JSONParser(BaseParser):
    """JSON bodies, refused when Postgres or the graphs could not take them.

    Whatever the content type says: clients of this API send JSON, some of them as ``text/plain``.

    Refused are NaN and numbers beyond a double, lone surrogates, NUL characters, nesting beyond
    SKEINO_MAX_JSON_DEPTH, and strings beyond SKEINO_MAX_STRING_LENGTH. An empty body is no JSON, except where
    the view reads none. The body is an object, or what the view says in ``body_type``.
    """

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read() if limit is None else stream.read(limit + 1)
        if limit is not None and len(raw) > limit:
            raise BodyTooLarge(f"The body is larger than the {limit} bytes this server takes.")
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError as exc:
            raise ParseError("Invalid JSON in request body") from exc
        expected = getattr((parser_context or {}).get("view"), "body_type", dict)
        if not isinstance(body, expected):
            raise ParseError(f"The request body must be a JSON {'object' if expected is dict else 'array'}")
        check_depth(raw, body, conf.SKEINO_MAX_JSON_DEPTH)
        if rb"\u0000" in raw and any("\0" in text for text in strings(body)):
            raise ParseError("NUL characters (\\u0000) cannot be stored")
        longest = conf.SKEINO_MAX_STRING_LENGTH
        if len(raw) > longest and any(len(text) > longest for text in strings(body)):
            raise ParseError(f"The request body has a string of more than {longest} characters")
        return body


def check_depth(raw: bytes, body: Any, limit: int) -> None:
    # What has fewer brackets cannot nest deeper: most bodies are done here.
    if raw.count(b"{") + raw.count(b"[") <= limit:
        return
    level = [body]
    for _ in range(limit):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise ParseError(f"The request body nests deeper than {limit} levels")


def strings(body: Any) -> Iterator[str]:
    """All strings in the body, keys too."""
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
