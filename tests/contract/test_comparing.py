"""The comparison itself: what it lets pass, and what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.comparing import Comparison, UnknownId
from tests.contract.masks import ANYTHING, REST, TEXT, closed
from tests.contract.recordings import expanded, squeezed
from tests.contract.transcripts import frames

A, B = "01a1ff31-564d-7089-99ba-ec7a0d3d8a48", "1f1e5d27-17c5-61d5-8001-3516b5f2d198"


def found(recorded: Any, here: Any) -> list[str]:
    return [finding.what for finding in Comparison().values("answer", recorded, here)]


@pytest.mark.parametrize(
    ("recorded", "here"),
    [
        ("<time>", "2026-11-21T17:39:45.869159+00:00"),
        ({"<id1>": [{"id": "<id1>"}]}, {A: [{"id": A}]}),
        ({"<id1>": 1, "<id2>": 2}, {A: 2, B: 1}),
        (["/threads/<id1>", "<id1>"], [f"/threads/{A}", A]),
        ([1, REST], [1, 2, 3]),
        ({"a": 1, REST: None}, {"a": 1, "b": 2}),
        ({"detail": TEXT}, {"detail": "Whatever"}),
        (ANYTHING, [None]),
    ],
)
def test_ids_times_and_what_is_left_out_make_no_difference(recorded: Any, here: Any) -> None:
    assert found(recorded, here) == []


@pytest.mark.parametrize(
    ("recorded", "here", "what"),
    [
        ("<time>", "yesterday", "answer differs"),
        (["<id1>", "<id1>"], [A, B], "answer[] differs"),
        (["<id1>", "<id2>"], [A, A], "answer[] differs"),
        ([1, 2], [1], "answer[] length"),
        ([1, 2, REST], [1], "answer[] length"),
        ({"a": {"b": 1}}, {"a": {}}, "answer.a.b missing"),
        ({"a": {}}, {"a": {"b": 1}}, "answer.a.b extra"),
        ({"a": 1}, {"a": True}, "answer.a differs"),
        ({"detail": TEXT}, {"detail": []}, "answer.detail differs"),
    ],
)
def test_anything_else_makes_one(recorded: Any, here: Any, what: str) -> None:
    assert found(recorded, here) == [what]


def test_events_are_compared_by_name_in_order() -> None:
    recorded = [("updates|child:<id1>", 1), ("values", 2)]
    here = [("values", 2), (f"updates|child:{A}", 1)]
    assert [f.what for f in Comparison().events(recorded, [*reversed(here)])] == []
    assert {f.what.rsplit(" ")[-1] for f in Comparison().events(recorded, here)} == {"extra", "missing"}


def test_requests_get_the_ids_of_this_server() -> None:
    comparison = Comparison()
    list(comparison.values("answer", {"thread_id": "<id1>"}, {"thread_id": A}))
    assert comparison.filled_in({"path": ["/threads/<id1>/runs"]}) == {"path": [f"/threads/{A}/runs"]}
    with pytest.raises(UnknownId):
        comparison.filled_in("<id2>")


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ('{"a": [1, {"b": "x,y", "c', {"a": [1, {"b": "x,y", REST: None}, REST], REST: None}),
        ('[{"a": 1}, {"b', [{"a": 1}, REST]),
        ('{"a": "say \\"no, no", "b": 2', {"a": 'say "no, no', REST: None}),
    ],
)
def test_json_that_was_cut_off_is_closed(cut: str, whole: Any) -> None:
    assert json.loads(closed(cut)) == whole


def test_repetitions_in_a_recording_are_written_once() -> None:
    long = {"key": "value " * 10}
    events = [("values", [long, 1]), ("updates|a", [long]), ("values", [long, 2])]
    assert squeezed(events) == [("values", [long, 1]), ("updates|a", [long]), ("values", ["=", 2])]
    assert expanded(squeezed(events)) == events


def test_frames_are_read_with_their_heartbeats() -> None:
    text = "event: values\ndata: {}\nid: 1\n\n: heartbeat\n\nevent: error\ndata: null\n"
    found, heartbeats = frames(text)
    assert [(frame.event, frame.data, frame.has_id) for frame in found] == [
        ("values", "{}", True),
        ("error", "null", False),
    ]
    assert heartbeats == 1
