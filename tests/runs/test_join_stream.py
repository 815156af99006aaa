from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from httpx_sse import connect_sse

from tests.runs.api import (
    at_once,
    create_thread,
    execute,
    human,
    names,
    path_of,
    rejoin,
    start,
    status_in_the_end,
    stream,
    told,
)
from tests.runs.told import Folder

BEGINNINGS = ["-1", "0", "0-0", "-"]


@pytest.fixture
def finished(client: httpx.Client, thread_id: str) -> str:
    """The path of a resumable run with five events."""
    modes = ["values", "updates", "custom"]
    run = execute(client, thread_id, "slow", input={"text": "1"}, stream_mode=modes, stream_resumable=True)
    return f"{path_of(run)}/stream"


ALL = ["metadata", "values", "custom", "updates", "values"]


def test_a_finished_run_is_sent_whole_and_at_once(client: httpx.Client, finished: str) -> None:
    with at_once():
        events = rejoin(client, finished)
    assert names(events) == ALL
    assert [event.id for event in events] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_the_beginning_has_several_names(client: httpx.Client, finished: str, beginning: str) -> None:
    assert names(rejoin(client, finished, beginning)) == ALL


def test_no_id_at_all_is_none(client: httpx.Client, finished: str) -> None:
    assert names(rejoin(client, finished, "")) == ALL


@pytest.mark.parametrize("after", range(1, 6))
def test_it_goes_on_after_any_event(client: httpx.Client, finished: str, after: int) -> None:
    assert names(rejoin(client, finished, str(after))) == ALL[after:]


@pytest.mark.parametrize("ahead", ["6", "7", "999999999"])
def test_after_the_last_event_there_is_nothing(client: httpx.Client, finished: str, ahead: str) -> None:
    with at_once():
        assert rejoin(client, finished, ahead) == []


@pytest.mark.parametrize("garbage", ["abc", "-2", "1.5", "1795283006713-0", "9" * 20, "²", "0x1"])
def test_an_id_that_is_none_is_unprocessable(client: httpx.Client, finished: str, garbage: str) -> None:
    response = client.get(finished, headers=[(b"Last-Event-ID", garbage.encode("latin-1"))])
    assert response.status_code == 422
    assert response.json()["detail"] == "Invalid event ID: this stream sends none like it"


@pytest.mark.parametrize("path", ["{run}/stream", "{run}/join", "/threads/{thread}/stream"])
def test_a_head_is_answered_and_leaves_the_connection_free(
    client: httpx.Client, live: str, thread_id: str, tmp_path: Path, path: str
) -> None:
    with (
        Folder(tmp_path) as folder,
        httpx.Client(base_url=live, timeout=5, limits=httpx.Limits(max_connections=1)) as other,
    ):
        run = start(client, thread_id, "two_steps", input=folder.input)
        response = other.head(path.format(run=path_of(run), thread=thread_id))
        assert (response.status_code, response.content) == (200, b"")
        assert "Location" in response.headers
        assert other.get(path_of(run)).status_code == 200


def test_the_headers_say_what_it_is_and_where(client: httpx.Client, finished: str) -> None:
    response = client.get(finished)
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.headers["Location"] == finished
    assert response.headers["Content-Location"] == finished.removesuffix("/stream")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("stream_mode=custom", ["custom"]),
        ("stream_mode=custom&stream_mode=updates", ["custom", "updates"]),
        ('stream_mode=["updates","values"]', ["values", "updates", "values"]),
        ('stream_mode=["updates"]&stream_mode=custom', ["custom", "updates"]),
        ("stream_mode=custom,updates", ["custom", "updates"]),
        ("stream_mode=", ALL),
        ("stream_mode=[]", ALL),
        ("stream_mode=debug", []),
        ("namespace=child&checkpoint_id=x", ALL),
    ],
)
def test_modes_are_chosen(client: httpx.Client, finished: str, query: str, expected: list[str]) -> None:
    assert names(rejoin(client, f"{finished}?{query}", "-1")) == expected


@pytest.mark.parametrize(
    "mode",
    [
        "nope",
        "values,nope",
        '["nope"]',
        '["values"',
        "[1]",
        '[["values"]]',
        "[{}]",
        '{"values":1}',
        "[" * 5000,
    ],
)
def test_a_mode_that_is_none_is_unprocessable(client: httpx.Client, finished: str, mode: str) -> None:
    response = client.get(finished, params={"stream_mode": mode})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("stream_mode")


def test_it_is_told_which_modes_there_are(client: httpx.Client, finished: str) -> None:
    detail = client.get(f"{finished}?stream_mode=nope").json()["detail"]
    assert detail.startswith('stream_mode.0: "nope" is not a stream mode. Expected one of: values, updates, ')


def test_messages_are_chosen_in_the_form_that_was_streamed(client: httpx.Client, thread_id: str) -> None:
    for mode, chosen in (
        ("messages", {"messages", "messages-tuple"}),
        ("messages-tuple", {"messages", "messages-tuple"}),
    ):
        run = execute(client, thread_id, "tokens", input=human("hi"), stream_mode=[mode, "values"])
        for asked in chosen:
            found = {
                name.partition("/")[0]
                for name in names(rejoin(client, f"{path_of(run)}/stream?stream_mode={asked}"))
            }
            assert found <= {"messages"}
            assert bool(found) == (asked in (mode, "messages"))


def test_an_error_is_sent_whatever_was_chosen(client: httpx.Client, thread_id: str) -> None:
    run = execute(client, thread_id, "fails", input={"text": "x"})
    assert names(rejoin(client, f"{path_of(run)}/stream?stream_mode=custom")) == ["error"]
    assert names(rejoin(client, f"{path_of(run)}/stream")) == ["metadata", "values", "error"]


def test_a_subgraphs_events_are_of_their_mode(client: httpx.Client, thread_id: str) -> None:
    run = execute(
        client,
        thread_id,
        "sub",
        input={"text": "x"},
        stream_mode=["updates", "values"],
        stream_subgraphs=True,
    )
    found = names(rejoin(client, f"{path_of(run)}/stream?stream_mode=updates"))
    assert [name.partition(":")[0] for name in found] == ["updates|child", "updates", "updates"]


def test_a_run_that_is_not_resumable_is_sent_whole_without_ids(client: httpx.Client, thread_id: str) -> None:
    run = execute(client, thread_id, "slow", input={"text": "0"})
    events = rejoin(client, f"{path_of(run)}/stream")
    assert names(events) == ["metadata", "values", "values"]
    assert {event.id for event in events} == {""}


@pytest.mark.parametrize(("resumable", "missed"), [(False, []), (True, ["metadata", "updates", "custom"])])
def test_without_an_id_it_begins_now_if_there_are_none(
    client: httpx.Client, thread_id: str, tmp_path: Path, resumable: bool, missed: list[str]
) -> None:
    body = {"stream_mode": ["updates", "custom"], "stream_resumable": resumable}
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input, **body)
        path = f"{path_of(run)}/stream"
        with connect_sse(client, "GET", path, headers={"Last-Event-ID": "-1"}) as source:
            seen = source.iter_sse()
            assert [next(seen).event for _ in range(3)] == ["metadata", "updates", "custom"]
            with connect_sse(client, "GET", path) as late:
                folder.open("gate")
                assert names(list(late.iter_sse())) == [*missed, "updates"]
            assert names(list(seen)) == ["updates"]


def test_a_run_that_waits_is_followed_from_its_beginning(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        second = start(client, thread_id, "slow", input={"text": "0"})
        with connect_sse(client, "GET", f"{path_of(second)}/stream") as source:
            folder.open("gate")
            assert names(list(source.iter_sse())) == ["metadata", "values", "values"]


def test_nothing_is_lost_or_doubled_however_often_a_stream_breaks(
    client: httpx.Client, thread_id: str
) -> None:
    body = {"stream_mode": ["messages-tuple", "values"], "stream_resumable": True}
    run = start(client, thread_id, "tokens", input=human("hi"), **body)
    path, seen = f"{path_of(run)}/stream", ["0"]
    while True:
        with connect_sse(client, "GET", path, headers={"Last-Event-ID": seen[-1]}) as source:
            one = next(source.iter_sse(), None)
        if one is None:
            break
        seen.append(one.id)
    assert seen[1:] == [event.id for event in rejoin(client, path)]
    assert seen == [str(number) for number in range(len(seen))]


def test_it_ends_whenever_the_run_does(client: httpx.Client) -> None:
    """Joined at every moment around a run's end, it ends, and has sent everything before."""
    threads = [create_thread(client) for _ in range(24)]

    def start_and_join(thread_id: str) -> list[str]:
        run = start(client, thread_id, "slow", input={"text": "0"})
        return names(rejoin(client, f"{path_of(run)}/stream", "-1"))

    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(start_and_join, threads)) == [["metadata", "values", "values"]] * 24


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", "success"),
        ("?cancel_on_disconnect=0", "success"),
        ("?cancel_on_disconnect=1", "interrupted"),
        ("?cancel_on_disconnect=true", "interrupted"),
    ],
)
@pytest.mark.parametrize("stateless", [False, True])
def test_what_becomes_of_a_run_when_one_who_joined_it_leaves(
    client: httpx.Client, thread_id: str, tmp_path: Path, query: str, status: str, stateless: bool
) -> None:
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        path = f"/runs/{run['run_id']}" if stateless else path_of(run)
        with client.stream("GET", f"{path}/stream{query}"):
            pass
        if status == "success":
            folder.open("gate")
        with at_once():
            assert status_in_the_end(client, path_of(run)) == status


def test_two_may_look_on_while_the_first_leaves(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as clients, Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        path = f"{path_of(run)}/stream"
        looking = [clients.submit(rejoin, client, path, "-1") for _ in range(2)]
        with client.stream("GET", path):
            folder.wait_for_line("second")
        folder.open("gate")
        assert [names(one.result()) for one in looking] == [["metadata", "values", "values", "values"]] * 2


def test_the_streams_tell_the_same(client: httpx.Client, thread_id: str) -> None:
    body = {"stream_mode": ["messages-tuple", "values"], "stream_resumable": True}
    events = stream(client, thread_id, "tokens", input=human("hi"), **body)
    run_id = events[0].json()["run_id"]
    for path in (f"/threads/{thread_id}/runs/{run_id}/stream", f"/runs/{run_id}/stream"):
        assert told(rejoin(client, path)) == told(events)
