from __future__ import annotations

import httpx
import pytest
from httpx_sse import EventSource, ServerSentEvent

from runs.sse import HEARTBEAT, frame
from threads.encoding import encode


def decoded(body: bytes) -> list[ServerSentEvent]:
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=body)
    return list(EventSource(response).iter_sse())


@pytest.mark.parametrize(
    "value",
    [
        {"text": "x"},
        "line\r\nbreaks\nand\rmore",
        "\u2028 \u2029 \x85 \x0b \x0c \x1c \x1e",  # what str.splitlines() takes for line breaks
        "ünïcödé 🦜",
        "data: id: event: :",
        None,
        [],
    ],
)
def test_any_json_arrives_as_it_was(value: object) -> None:
    [event] = decoded(frame("values", encode(value)))
    assert (event.event, event.json()) == ("values", value)


def test_frames_are_separate_events_in_order() -> None:
    events = decoded(frame("metadata", "1") + frame("values", "2") + frame("values|a:b", "3"))
    assert [(event.event, event.data) for event in events] == [
        ("metadata", "1"),
        ("values", "2"),
        ("values|a:b", "3"),
    ]


def test_an_id_is_sent_when_there_is_one() -> None:
    assert [event.id for event in decoded(frame("values", "{}", 7))] == ["7"]
    assert b"id:" not in frame("values", "{}")


@pytest.mark.parametrize("name", ["values|a\nb:c", "values|a\r\nb:c", "values|a\rb:c"])
def test_a_name_with_line_breaks_cannot_end_its_line(name: str) -> None:
    [event] = decoded(frame(f"{name}\ndata: forged", "1"))
    assert (event.data, event.event.startswith("values|a")) == ("1", True)


def test_lines_end_as_the_contract_says() -> None:
    assert frame("values", "{}", 1) == b"event: values\r\ndata: {}\r\nid: 1\r\n\r\n"


def test_a_heartbeat_is_no_event() -> None:
    events = decoded(HEARTBEAT + frame("values", "1") + HEARTBEAT)
    assert [event.data for event in events] == ["1"]
