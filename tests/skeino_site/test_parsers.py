from __future__ import annotations

import io
import json
from io import BytesIO
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from pytest_django import Settings
from rest_framework.exceptions import APIException
from rest_framework.test import APIClient

from skeino_site.handler import ThreadedASGIHandler
from skeino_site.parsers import JSONParser


def parse(raw: bytes) -> Any:
    return JSONParser().parse(io.BytesIO(raw))


def refusal(raw: bytes) -> str:
    with pytest.raises(APIException) as raised:
        parse(raw)
    assert raised.value.status_code in (400, 422)
    return str(raised.value.detail)


def nested(depth: int, opening: bytes = b'{"a":', middle: bytes = b"1", closing: bytes = b"}") -> bytes:
    return opening * depth + middle + closing * depth


@pytest.mark.parametrize(
    "body",
    [{}, {"a": [1, 2.5, None, True, "ü💡\u2028\\u0000"]}, {"": {"": {}}}, {"n": 2**63 - 1, "m": -(2**63)}],
)
def test_an_object_is_read(body: dict[str, Any]) -> None:
    assert parse(json.dumps(body).encode()) == body
    assert parse(json.dumps(body, ensure_ascii=False, indent=2).encode()) == body


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"a=1&b=2",
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        b"\x00",
        b'{"a": "\n"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    assert refusal(raw) == "Invalid JSON in request body"


@pytest.mark.parametrize(
    "number", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1" + b"0" * 400, b"01"]
)
def test_numbers_that_no_computer_has_are_refused(number: bytes) -> None:
    assert refusal(b'{"a": {"b": [%s]}}' % number) == "Invalid JSON in request body"


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udc00", rb"a\ud83d", rb"\ud83d\ud83d", rb"\uDC00\uD800"])
def test_half_a_character_is_refused(text: bytes) -> None:
    refusal(b'{"a": "%s"}' % text)
    refusal(b'{"%s": 1}' % text)


def test_two_halves_are_a_character() -> None:
    assert parse(rb'{"a": "\ud83d\ude00"}') == {"a": "😀"}


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"a"', b"1", b"true", b"[{}]"])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    assert refusal(raw) == "The request body must be a JSON object"


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"a": "\u0000"}',
        rb'{"\u0000": 1}',
        rb'{"a": [{"b": ["x\u0000y"]}]}',
        rb'{"a": {"b": {"\u0000": 1}}}',
        rb'{"a": "\\\u0000"}',
    ],
)
def test_nul_characters_are_refused_wherever_they_are(raw: bytes) -> None:
    assert "NUL" in refusal(raw)


def test_text_that_only_looks_like_nul_is_read() -> None:
    assert parse(rb'{"a": "\\u0000"}') == {"a": "\\u0000"}


@pytest.mark.parametrize(
    "deep",
    [nested, lambda n: nested(n - 1, b"[", b"", b"]").join([b'{"a":', b"}"])],
    ids=["objects", "lists"],
)
def test_nesting_is_limited(settings: Settings, deep: Any) -> None:
    settings.SKEINO_MAX_JSON_DEPTH = 5
    assert parse(deep(5))
    assert refusal(deep(6)) == "The request body nests deeper than 5 levels"


def test_many_objects_side_by_side_are_not_deep(settings: Settings) -> None:
    settings.SKEINO_MAX_JSON_DEPTH = 5
    assert len(parse(b'{"a": [%s]}' % b",".join([b'{"b": [[]]}'] * 1000))["a"]) == 1000


def test_brackets_in_text_are_not_deep(settings: Settings) -> None:
    settings.SKEINO_MAX_JSON_DEPTH = 5
    assert parse(b'{"a": "%s"}' % (b"[{" * 1000))


def test_a_hundred_levels_are_enough_for_everybody() -> None:
    assert parse(nested(100))
    refusal(nested(101))


def test_a_body_may_be_as_large_as_the_limit(settings: Settings) -> None:
    raw = b'{"a": "%s"}' % (b"x" * 100)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = len(raw)
    assert parse(raw)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = len(raw) - 1
    with pytest.raises(APIException) as raised:
        parse(raw)
    assert raised.value.status_code == 413


def test_without_a_limit_any_size_will_do(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    assert parse(b'{"a": "%s"}' % (b"x" * 10_000_000))


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(st.binary())
def test_no_bytes_do_more_than_be_refused(raw: bytes) -> None:
    try:
        assert isinstance(parse(raw), dict)
    except APIException as exc:
        assert isinstance(exc.detail, str)


# Through the door


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "nonsense",
    ],
)
def test_a_body_is_json_whatever_it_is_called(settings: Settings, content_type: str) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    response = APIClient().generic("POST", "/threads", '{"metadata": {"a": "ü"}}', content_type)
    assert response.status_code == 200
    assert response.json()["metadata"] == {"a": "ü"}


@pytest.mark.django_db
def test_a_body_of_unknown_length_is_given_its_length() -> None:
    """As clients send it that write while they make it: in chunks, without a Content-Length."""
    scope = {"type": "http", "method": "POST", "path": "/threads", "headers": [], "query_string": b""}
    request, refusal = ThreadedASGIHandler().create_request(scope, BytesIO(b'{"metadata": {"a": 1}}'))
    assert refusal is None
    assert (request.META["CONTENT_LENGTH"], request.read()) == ("22", b'{"metadata": {"a": 1}}')
