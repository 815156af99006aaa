from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS
from httpx_sse import ServerSentEvent, connect_sse
from procrastinate.contrib.django.utils import connector_params
from pytest_django import Settings

from runs import lookout
from runs.events import reader
from runs.exceptions import TooManyStreams
from runs.models import Run, RunEvent
from runs.streaming import check_capacity
from runs.thread_stream import Start, ThreadStream
from tests.runs.api import create_thread, execute, path_of, start, told
from tests.runs.engine import IDLE, aclaim, afinish, asubmit, new_thread
from tests.runs.told import Folder
from threads.models import Thread

DONE = "done"
SLOW = ["metadata", "values", "values", DONE]


@contextmanager
def listening(
    client: httpx.Client, thread_id: str, last_event_id: str | None = None, query: str = ""
) -> Iterator[Iterator[ServerSentEvent]]:
    """Gives up after some silence, before a heartbeat breaks it."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    path = f"/threads/{thread_id}/stream{query}"
    with connect_sse(client, "GET", path, headers=headers, timeout=4) as source:
        yield source.iter_sse()


def until_done(events: Iterator[ServerSentEvent], runs: int = 1) -> list[ServerSentEvent]:
    """All events to the end of so many runs."""
    found: list[ServerSentEvent] = []
    while sum(is_done(event) for event in found) < runs:
        found.append(next(events))
    return found


def is_done(event: ServerSentEvent) -> bool:
    return event.event == "metadata" and event.json().get("status") == "run_done"


def shapes(events: list[ServerSentEvent]) -> list[str]:
    return [DONE if is_done(event) else event.event for event in events]


def test_it_sends_the_events_of_every_run_that_begins(client: httpx.Client, thread_id: str) -> None:
    with listening(client, thread_id) as events:
        runs = [execute(client, thread_id, "slow", input={"text": "0"}) for _ in range(2)]
        found = until_done(events, 2)
    assert shapes(found) == SLOW * 2
    assert [event.json()["run_id"] for event in found if event.event == "metadata"] == [
        run["run_id"] for run in runs for _ in range(2)
    ]
    assert found[3].json() == {"status": "run_done", "run_id": runs[0]["run_id"]}
    assert len({event.id for event in found}) == len(found)


def test_the_headers_say_what_it_is_and_where(client: httpx.Client, thread_id: str) -> None:
    with client.stream("GET", f"/threads/{thread_id}/stream") as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["Location"] == f"/threads/{thread_id}/stream"


@pytest.mark.parametrize("beginning", ["-", "0-0", "-1", "0"])
def test_it_begins_with_the_first_run_where_asked_to(
    client: httpx.Client, thread_id: str, beginning: str
) -> None:
    execute(client, thread_id, "slow", input={"text": "0"})
    execute(client, thread_id, "fails", input={"text": "x"})
    with listening(client, thread_id, beginning) as events:
        assert shapes(until_done(events, 2)) == [*SLOW, "metadata", "values", "error", DONE]


def test_it_begins_now_unless_asked_otherwise(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    execute(client, thread_id, "slow", input={"text": "0"})
    with Folder(tmp_path) as folder:
        body = {"stream_mode": ["custom", "updates"]}
        with listening(client, thread_id, "-") as all_events:
            until_done(all_events)
            start(client, thread_id, "two_steps", input=folder.input, **body)
            assert [next(all_events).event for _ in range(3)] == ["metadata", "updates", "custom"]
            with listening(client, thread_id, "") as late:
                folder.open("gate")
                assert shapes(until_done(late)) == ["updates", DONE]


def test_it_goes_on_after_any_event(client: httpx.Client, thread_id: str) -> None:
    for _ in range(2):
        execute(client, thread_id, "slow", input={"text": "0"})
    with listening(client, thread_id, "-") as events:
        found = until_done(events, 2)
    for place, event in enumerate(found[:-1], start=1):
        with listening(client, thread_id, event.id) as events:
            rest = until_done(events, 2 if place < 4 else 1)
        assert told(rest) == told(found[place:])
    with listening(client, thread_id, found[-1].id) as events:
        execute(client, thread_id, "slow", input={"text": "0"})
        assert shapes(until_done(events)) == SLOW


def test_runs_that_wait_for_each_other_come_one_after_another(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder, listening(client, thread_id) as events:
        runs = [start(client, thread_id, "two_steps", input=folder.input) for _ in range(3)]
        folder.open("gate")
        found = until_done(events, 3)
    assert [event.json()["run_id"] for event in found if is_done(event)] == [run["run_id"] for run in runs]


def test_a_run_that_is_cancelled_or_deleted_is_done(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder, listening(client, thread_id) as events:
        for end in ("cancel", "delete"):
            run = start(client, thread_id, "two_steps", input=folder.input, stream_mode="custom")
            assert [next(events).event for _ in range(2)] == ["metadata", "custom"]
            if end == "cancel":
                client.post(f"{path_of(run)}/cancel").raise_for_status()
            else:
                client.delete(path_of(run)).raise_for_status()
            assert shapes(until_done(events)) == [DONE]
        execute(client, thread_id, "slow", input={"text": "0"})
        assert shapes(until_done(events)) == SLOW


def test_after_an_event_of_a_run_that_was_deleted_come_the_later_ones(
    client: httpx.Client, thread_id: str
) -> None:
    runs = [execute(client, thread_id, "slow", input={"text": "0"}) for _ in range(3)]
    with listening(client, thread_id, "-") as events:
        found = until_done(events, 2)
    client.delete(path_of(runs[1])).raise_for_status()
    with listening(client, thread_id, found[5].id) as events:
        rest = until_done(events)
    assert shapes(rest) == SLOW
    assert rest[0].json()["run_id"] == runs[2]["run_id"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?stream_modes=run_modes", SLOW),
        ("?stream_modes=run_modes,lifecycle,state_update", SLOW),
        ("?stream_modes=", SLOW),
        ("?stream_modes=lifecycle", ["metadata", DONE]),
        ("?stream_modes=lifecycle,state_update", ["metadata", DONE]),
        ("?stream_mode=lifecycle", ["metadata", DONE]),
        ("?stream_mode=run_modes&stream_mode=lifecycle", SLOW),
    ],
)
def test_events_are_chosen(client: httpx.Client, thread_id: str, query: str, expected: list[str]) -> None:
    execute(client, thread_id, "slow", input={"text": "0"})
    with listening(client, thread_id, "-", query) as events:
        assert shapes(until_done(events)) == expected


RUN = "01a200c8-4b65-7456-a0f6-506921354fb8"
OTHER = "01a200c8-0000-4456-a0f6-506921354fb8"


@pytest.mark.parametrize(
    "garbage",
    [
        *("zzz", "1", "-5", "1795283352412-0", RUN, f"{RUN}-", f"{RUN}-x", f"{RUN}--1", f"{RUN}-1_0"),
        *(f"{RUN}- 1", f"{RUN}-01", f"{RUN.upper()}-1", f"{OTHER}-1", f"{RUN}-99999999999"),
        *(f"{RUN}-{'9' * 5000}", f"ffffffff-ffff-7{RUN[15:]}-1"),
    ],
)
def test_an_id_that_is_none_is_unprocessable(client: httpx.Client, thread_id: str, garbage: str) -> None:
    response = client.get(f"/threads/{thread_id}/stream", headers={"Last-Event-ID": garbage})
    assert response.status_code == 422
    assert response.json()["detail"] == "Invalid event ID: this stream sends none like it"


@pytest.mark.parametrize(
    "query", ["stream_modes=bogus", "stream_modes=run_modes,bogus", "stream_mode=values"]
)
def test_a_mode_that_is_none_is_unprocessable(client: httpx.Client, thread_id: str, query: str) -> None:
    response = client.get(f"/threads/{thread_id}/stream?{query}")
    assert response.status_code == 422
    assert response.json()["detail"].startswith(query.partition("=")[0])


def test_what_is_not_there_is_not_found(client: httpx.Client) -> None:
    missing = uuid.uuid4()
    response = client.get(f"/threads/{missing}/stream")
    assert (response.status_code, response.json()["detail"]) == (404, f"Thread with ID {missing} not found")
    response = client.get("/threads/mine/stream")
    assert (response.status_code, response.json()["detail"]) == (422, "Invalid thread ID: must be a UUID")


def test_a_foreign_thread_does_not_exist(client: httpx.Client, foreign_thread_id: str) -> None:
    response = client.get(f"/threads/{foreign_thread_id}/stream", headers={"Last-Event-ID": "-"})
    assert response.status_code == 404


def test_an_event_of_another_thread_tells_nothing(client: httpx.Client, thread_id: str) -> None:
    execute(client, thread_id, "slow", input={"text": "0"})
    with listening(client, thread_id, "-") as events:
        found = until_done(events)
    other = create_thread(client)
    with listening(client, other, found[0].id) as events:
        execute(client, other, "echo", input={"messages": []})
        rest = until_done(events)
    assert {
        event.json()["thread_id"] for event in rest if event.event == "metadata" and not is_done(event)
    } == {other}


def test_it_ends_with_its_thread(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with (
        listening(client, thread_id) as one,
        Folder(tmp_path) as folder,
        listening(client, thread_id) as other,
    ):
        start(client, thread_id, "two_steps", input=folder.input, stream_mode="custom")
        for events in (one, other):
            assert [next(events).event for _ in range(2)] == ["metadata", "custom"]
        client.delete(f"/threads/{thread_id}").raise_for_status()
        for events in (one, other):
            assert shapes(list(events)) == [DONE]


def test_it_ends_with_its_thread_while_nothing_runs(client: httpx.Client, thread_id: str) -> None:
    with listening(client, thread_id) as events:
        client.delete(f"/threads/{thread_id}").raise_for_status()
        assert list(events) == []


# --- in this process ---


@pytest.fixture
async def thread(engine: None, settings: Settings) -> Thread:
    settings.SKEINO_STREAM_HEARTBEAT_SECONDS = 0.05
    return await sync_to_async(new_thread)()


@pytest.fixture
async def listen(thread: Thread) -> AsyncIterator[Callable[[], AsyncIterator[str]]]:
    """Streams of the thread, which are left at the end: lines of what was sent, heartbeats too."""
    streams: list[Any] = []

    def begin() -> AsyncIterator[str]:
        streams.append(ThreadStream(thread.pk, Start(), lifecycle_only=False).frames())
        return (part.decode() async for part in streams[-1])

    yield begin
    for stream in streams:
        await stream.aclose()


async def next_event(stream: AsyncIterator[str]) -> str:
    """The lines of the next event that is no heartbeat."""
    async with asyncio.timeout(10):
        async for part in stream:
            if not part.startswith(":"):
                return part
    raise AssertionError("The stream has ended.")


async def log(run: Run, seq: int) -> None:
    await RunEvent.objects.acreate(run=run, seq=seq, event="values", data=f'{{"n":{seq}}}')


async def test_silence_is_filled_with_heartbeats(listen: Callable[[], AsyncIterator[str]]) -> None:
    stream = listen()
    async with asyncio.timeout(10):
        assert [await anext(stream) for _ in range(3)] == [": heartbeat\r\n\r\n"] * 3


async def test_a_run_that_is_tried_again_goes_on_in_its_log(
    thread: Thread, listen: Callable[[], AsyncIterator[str]]
) -> None:
    stream = listen()
    await anext(stream)  # it has begun
    run = await asubmit(thread=thread)
    for _ in range(2):
        run = await aclaim(run.pk)  # type: ignore[assignment]
        first = run.seq + 1
        await log(run, first)
        await afinish(run, Run.Status.TIMEOUT, IDLE, seq=first + 1)
        assert f'"n":{first}' in await next_event(stream)
        assert "run_done" in await next_event(stream)
        await sync_to_async(run.retry)()


async def test_a_run_of_several_attempts_is_sent_once(
    thread: Thread, listen: Callable[[], AsyncIterator[str]]
) -> None:
    stream = listen()
    await anext(stream)  # it has begun
    run = await asubmit(thread=thread)
    for attempt in (1, 2):
        run = await aclaim(run.pk)  # type: ignore[assignment]
        await log(run, attempt)
        assert f'"n":{attempt}' in await next_event(stream)
        if attempt == 1:
            await sync_to_async(run.release)()
    await afinish(run, Run.Status.SUCCESS, IDLE, seq=3)
    assert "run_done" in await next_event(stream)
    other = await aclaim((await asubmit(thread=thread)).pk)
    assert other is not None
    await log(other, 1)
    assert str(other.pk) in await next_event(stream)


async def test_a_hundred_idle_streams_ask_one_question(
    thread: Thread, listen: Callable[[], AsyncIterator[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [listen() for _ in range(100)]
    await asyncio.gather(*(anext(stream) for stream in streams))
    asked, fetch = [], reader.fetch

    async def counted(query: str, parameters: list[Any]) -> list[Any]:
        asked.append(query)
        return await fetch(query, parameters)

    monkeypatch.setattr(reader, "fetch", counted)
    for _ in range(20):
        await asyncio.gather(*(anext(stream) for stream in streams))
    assert 1 <= len(asked) <= 4


async def test_idle_streams_count(listen: Callable[[], AsyncIterator[str]], settings: Settings) -> None:
    settings.SKEINO_MAX_STREAMS = 2
    first, second = listen(), listen()
    await anext(first)
    check_capacity()
    await anext(second)
    with pytest.raises(TooManyStreams):
        check_capacity()


async def test_a_lost_connection_is_made_again(
    thread: Thread, listen: Callable[[], AsyncIterator[str]]
) -> None:
    stream = listen()
    await anext(stream)
    async with await psycopg.AsyncConnection.connect(
        **connector_params(DEFAULT_DB_ALIAS), autocommit=True
    ) as database:
        lost = await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query = %s",
            [lookout.NEXT_RUNS.replace("%s", "{}").format("$1", "$2", "$3")],
        )
        assert len(await lost.fetchall()) == 1
    run = await aclaim((await asubmit(thread=thread)).pk)
    assert run is not None
    await log(run, 1)
    assert str(run.pk) in await next_event(stream)


async def test_it_breaks_off_when_the_process_stops(listen: Callable[[], AsyncIterator[str]]) -> None:
    stream = listen()
    await anext(stream)
    reader.end_streams()
    with pytest.raises(reader.StreamsClosed):
        await next_event(stream)
