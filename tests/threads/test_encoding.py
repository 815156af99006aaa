from __future__ import annotations

import enum
import json
import uuid
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any

import hypothesis
import orjson
import pytest
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langgraph.types import Command, Interrupt, Send
from pydantic import BaseModel

from skeino_site.parsers import strings
from threads.encoding import EncodedJSON, encode, encode_for_jsonb

Pair = namedtuple("Pair", ["left", "right"])
LONE = "\ud83d"  # half of a character: what is left when one is cut in two
HUGE = 10**400  # beyond a double


class Colour(enum.Enum):
    RED = "red"


class Note(BaseModel):
    text: Any
    tags: set[str] = set()


@dataclass
class Box:
    content: Any
    more: list[Any] = field(default_factory=list)


class Shy:
    def __repr__(self) -> str:
        raise RuntimeError("I have no name")


def decoded(value: Any) -> Any:
    """What a reader of the JSON gets, read as strictly as the server reads it."""
    text = encode(value)
    assert "\n" not in text
    assert "\r" not in text
    return orjson.loads(text.encode())


# What has a form of its own in JSON


@pytest.mark.parametrize(
    "value",
    [None, True, -1, 2**63 - 1, 1.5, 1e308, "", "a\nb", "ü💡\u2028", [], {}, [1, [{"a": None}]], {"": ""}],
)
def test_json_stays_as_it_is(value: Any) -> None:
    assert decoded(value) == value


def test_it_wastes_no_space() -> None:
    assert encode({"a": [1, 2], "ü": "é"}) == '{"a":[1,2],"ü":"é"}'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        (Pair(1, 2), [1, 2]),
        ({1}, [1]),
        (frozenset([1]), [1]),
        (deque([1, 2]), [1, 2]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (Colour.RED, "red"),
        (b"\x00\xff", "AP8="),
        (bytearray(b"a"), "YQ=="),
        (memoryview(b"a"), "YQ=="),
        (timedelta(minutes=1.5), 90.0),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "2026-01-02T03:04:05.000006+00:00"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Note(text="n", tags={"t"}), {"text": "n", "tags": ["t"]}),
        (Box(content=Box(1)), {"content": {"content": 1, "more": []}, "more": []}),
        (ValueError("boom"), {"error": "ValueError", "message": "boom"}),
        (Send("node", {"a": 1}), {"node": "node", "arg": {"a": 1}}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_types_become_simpler_ones(value: Any, expected: Any) -> None:
    assert decoded([value]) == [expected]


def test_an_interrupt_shows_its_value_and_its_id() -> None:
    found = decoded(Interrupt(value="sure?", id="1"))
    assert (found["value"], found["id"]) == ("sure?", "1")


def test_a_model_class_becomes_its_schema() -> None:
    assert decoded(Note)["properties"].keys() == {"text", "tags"}


@pytest.mark.parametrize(
    "message", [HumanMessage("hi", id="1"), ToolMessage("ok", tool_call_id="c"), AIMessage("")]
)
def test_messages_become_the_dicts_that_langchain_makes_of_them(message: Any) -> None:
    assert decoded(message) == json.loads(json.dumps(message.model_dump()))
    assert decoded(message)["type"] == message.type


def test_a_piece_of_a_message_keeps_its_type_and_id() -> None:
    found = decoded(AIMessageChunk(content="he", id="1"))
    assert (found["type"], found["id"], found["content"]) == ("AIMessageChunk", "1", "he")


def test_a_command_becomes_an_object() -> None:
    assert decoded(Command(goto=[Send("a", 1)], resume=1))["goto"] == [{"node": "a", "arg": 1}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("companion", [None, LONE, 2**70], ids=["alone", "surrogate", "integer"])
def test_what_is_no_number_becomes_null(value: float, companion: Any) -> None:
    assert decoded([value, companion])[0] is None


@pytest.mark.parametrize("value", [object(), len, int, lambda: None, (n for n in [1]), 1j])
def test_what_has_no_form_becomes_its_repr(value: Any) -> None:
    assert decoded({"value": value}) == {"value": repr(value)}


# Keys


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a", "a"),
        (1, "1"),
        (1.5, "1.5"),
        (None, "null"),
        (True, "true"),
        (Colour.RED, "red"),
        (date(2026, 1, 2), "2026-01-02"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
@pytest.mark.parametrize("companion", [None, LONE, 2**70], ids=["alone", "surrogate", "integer"])
def test_keys_become_text_in_the_same_way_whatever_is_beside_them(
    key: Any, expected: str, companion: Any
) -> None:
    assert list(decoded({key: companion})) == [expected]


def test_keys_that_are_no_scalars_become_text() -> None:
    assert decoded({("a", 1): 1, "b": 2}) == {"('a', 1)": 1, "b": 2}


# Text that UTF-8 cannot carry, and numbers that computers cannot


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {v: 1}, lambda v: [{"a": v}], lambda v: {"a": (v,)}])
def test_half_a_character_becomes_a_question_mark(wrap: Any) -> None:
    assert decoded(wrap(f"a{LONE}b")) == json.loads(json.dumps(wrap("a?b")))


@pytest.mark.parametrize("odd", [LONE, 2**70, {("a", 1): 1}], ids=["surrogate", "integer", "key"])
@pytest.mark.parametrize(
    ("wrap", "key"),
    [
        (lambda odd: Interrupt(value=odd, id="1"), "value"),
        (lambda odd: Box(content=odd), "content"),
        (lambda odd: Note(text=odd), "text"),
        (lambda odd: HumanMessage("", additional_kwargs={"odd": odd}), "additional_kwargs"),
        (lambda odd: Send("node", odd), "arg"),
    ],
    ids=["interrupt", "dataclass", "model", "message", "send"],
)
def test_an_object_stays_an_object_whatever_it_holds(wrap: Any, key: str, odd: Any) -> None:
    assert decoded({"it": wrap(odd)})["it"].keys() >= {key}


@pytest.mark.parametrize("companion", [LONE, 2**70], ids=["surrogate", "integer"])
def test_what_is_beside_odd_things_looks_the_same(companion: Any) -> None:
    value = [Box(HumanMessage("hi")), {1}, b"a", timedelta(1), Colour.RED, Pair(1, 2), Note(text="n")]
    assert decoded([*value, companion])[:-1] == decoded(value)


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**70), 10**300])
def test_large_integers_keep_their_digits(number: int) -> None:
    assert json.loads(encode({"n": number})) == {"n": number}


@pytest.mark.parametrize("number", [HUGE, -HUGE, 10**5000], ids=["1e400", "-1e400", "1e5000"])
def test_integers_beyond_a_double_can_be_read_again(number: int) -> None:
    assert decoded([number, 1])[1] == 1


# It never fails


def test_what_refuses_to_be_shown_is_shown_somehow() -> None:
    assert decoded([Shy(), 1])[1] == 1


def test_a_circle_is_shown_somehow() -> None:
    circle: list[Any] = [1]
    circle.append(circle)
    assert decoded(circle)[0] == 1


@pytest.mark.parametrize("companion", [1, LONE])
def test_any_depth_is_shown_somehow(companion: Any) -> None:
    deep: Any = companion
    for _ in range(2000):
        deep = {"a": [deep]}
    assert "a" in decoded(deep)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**320), 10**320),
    st.floats(),
    st.text(st.characters(codec=None)),
    st.binary(),
    st.datetimes(),
    st.uuids(),
    st.builds(object),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(scalars, st.tuples(scalars)), inner, max_size=3),
        st.builds(Box, inner),
        st.builds(Note, text=inner),
        st.builds(Interrupt, value=inner, id=st.text()),
    ),
    max_leaves=8,
)


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(anything)
def test_whatever_a_state_holds_is_json_in_one_line(value: Any) -> None:
    decoded(value)


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(anything)
def test_whatever_a_state_holds_can_be_kept_by_postgres(value: Any) -> None:
    text = encode_for_jsonb(value)
    assert isinstance(text, EncodedJSON)
    assert not any("\0" in one for one in strings([orjson.loads(text.encode())]))


# For jsonb, which cannot hold NUL characters


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\x00b", "a\ufffdb"),
        ("\x00\x00", "\ufffd\ufffd"),
        ("\\\x00", "\\\ufffd"),
        ("\\u0000", "\\u0000"),
        ("\\\\u0000", "\\\\u0000"),
        ("\\\\\x00\\u0000\x00", "\\\\\ufffd\\u0000\ufffd"),
        ({"\x00": ["\x00"]}, {"\ufffd": ["\ufffd"]}),
        (f"\x00{LONE}", "\ufffd?"),
    ],
)
def test_nul_becomes_a_replacement_character(value: Any, expected: Any) -> None:
    assert json.loads(encode_for_jsonb(value)) == expected


def test_events_keep_nul_for_they_are_text() -> None:
    assert encode("\x00") == '"\\u0000"'
