from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from asgiref.sync import sync_to_async
from httpx_sse import EventSource, connect_sse
from pytest_django import Settings

from runs.graph_api.streaming import ChunkStream
from runs.models import Run
from tests.runs.engine import asubmit, work_off
from tests.runs.graph_api.api import call, lines, new_name, of, stream
from tests.runs.told import Folder


def without_ids(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What two runs of the same have in common."""
    own = ("run_id", "thread_id", "message_id", "tool_call_id", "message")
    return [{key: value for key, value in chunk.items() if key not in own} for chunk in chunks]


def test_the_headers_say_what_it_is_and_where(client: httpx.Client) -> None:
    response = client.post("/v1/graph/stream", json=call("hi", new_name()))
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"
    run = client.get(response.headers["Content-Location"]).json()
    assert run["status"] == "success"


def test_a_chunk_is_one_frame_of_data(client: httpx.Client) -> None:
    frames = client.post("/v1/graph/stream", json=call("hi\n\nho ☃", new_name())).text.split("\n\n")
    assert frames.pop() == ""
    assert all(frame.startswith("data: {") and "\n" not in frame for frame in frames)
    assert json.loads(frames[1].removeprefix("data: "))["content"] == "echo: hi\n\nho ☃"


def test_every_chunk_says_its_run_and_the_thread_as_the_client_calls_it(client: httpx.Client) -> None:
    thread = new_name()
    chunks = stream(client, "What is 6 * 7?", thread, "agent")
    [run_id] = {chunk["run_id"] for chunk in chunks}
    assert {chunk["thread_id"] for chunk in chunks} == {thread}
    assert all(chunk.keys() >= {"type", "run_id", "thread_id"} for chunk in chunks)
    assert run_id


def test_the_last_chunk_of_a_run_that_went_well_is_done(client: httpx.Client) -> None:
    chunks = stream(client, "What is 6 * 7?", new_name(), "agent")
    usages = [chunk["usage"]["total_tokens"] for chunk in of(chunks, "message_end")]
    assert (chunks[-1]["type"], chunks[-1]["status"]) == ("done", "completed")
    assert chunks[-1]["usage"]["total_tokens"] == sum(usages) > 0
    assert stream(client, "hi", new_name())[-1]["usage"] is None


def test_input_is_not_echoed(client: httpx.Client) -> None:
    thread = new_name()
    for _ in range(2):
        chunks = stream(client, "hello", thread)
        assert [chunk["content"] for chunk in of(chunks, "message_chunk")] == ["echo: hello"]


def test_the_status_is_final_before_the_last_chunk(client: httpx.Client) -> None:
    for graph, status in (("echo", "success"), ("chat_fails", "error"), ("chat_asks", "success")) * 3:
        with connect_sse(client, "POST", "/v1/graph/stream", json=call("hi", new_name(), graph)) as source:
            kinds = [event.json()["type"] for event in source.iter_sse()]
            run = client.get(source.response.headers["Content-Location"]).json()
        assert kinds[-1] in ("done", "error")
        assert run["status"] == status


def test_chunks_are_sent_while_the_run_goes_on(client: httpx.Client, tmp_path: Path) -> None:
    thread = new_name()
    with Folder(tmp_path) as folder:
        body = call("hi", thread, "chat_told", initial_state=folder.input)
        with connect_sse(client, "POST", "/v1/graph/stream", json=body) as source:
            events = source.iter_sse()
            first = [next(events).json() for _ in range(3)]
            assert [chunk["type"] for chunk in first] == ["message_start", "message_chunk", "message_end"]
            folder.open("gate")
            assert [event.json()["type"] for event in events][-1] == "done"


def test_the_run_goes_on_when_the_client_leaves(client: httpx.Client, tmp_path: Path) -> None:
    thread = new_name()
    with Folder(tmp_path) as folder:
        body = call("hi", thread, "chat_told", initial_state=folder.input)
        with connect_sse(client, "POST", "/v1/graph/stream", json=body) as source:
            next(source.iter_sse())
            path = source.response.headers["Content-Location"]
        folder.open("gate")
        assert client.get(f"{path}/join").json()["done"] is not None
    assert client.get(path).json()["status"] == "success"


def test_an_interrupt_comes_before_done(client: httpx.Client) -> None:
    thread = new_name()
    *_, interrupt, done = stream(client, "hi", thread, "chat_asks")
    assert (interrupt["type"], interrupt["interrupts"][0]["value"]) == ("interrupt", "Sure?")
    assert (done["type"], done["status"]) == ("done", "interrupted")
    resumed = stream(client, None, thread, "chat_asks", resume="yes")
    assert of(resumed, "message_end")[0]["content"] == 'You answered "yes".'
    assert resumed[-1]["status"] == "completed"


def test_a_failure_is_the_last_chunk(client: httpx.Client) -> None:
    chunks = stream(client, "hi", new_name(), "chat_fails")
    last = chunks[-1]
    assert of(chunks, "message_end")[0]["content"] == "all is well"
    assert not of(chunks, "done")
    assert (last["type"], last["code"]) == ("error", "GRAPH_ERROR")
    assert last["message"] == f"The graph failed (run {last['run_id']})."
    assert "hunter2" not in str(chunks)


def test_too_many_steps_are_a_failure(client: httpx.Client) -> None:
    last = stream(client, "hi", new_name(), "chat_loops", recursion_limit=3)[-1]
    assert (last["type"], last["code"]) == ("error", "GRAPH_RECURSION")


def test_hidden_keys_are_not_told(client: httpx.Client) -> None:
    chunks = stream(client, "hi", new_name(), "chat_hidden")
    assert [chunk["content"] for chunk in of(chunks, "message_chunk")] == ["nothing to see"]
    assert "hunter2" not in str(chunks)


def test_the_rows_of_the_log_are_the_chunks(client: httpx.Client) -> None:
    """Any process can send them again; here as a stream of the ordinary API."""
    chunks = stream(client, "What is 6 * 7?", new_name(), "agent")
    response = client.post("/v1/graph/stream", json=call("What is 6 * 7?", new_name(), "agent"))
    path = f"{response.headers['Content-Location']}/stream"
    with connect_sse(client, "GET", path, headers={"Last-Event-ID": "-1"}) as source:
        events = list(source.iter_sse())[1:]  # the first is the run's metadata
    assert without_ids([event.json() for event in events]) == without_ids(chunks[:-1])
    assert [event.event for event in events] == [event.json()["type"] for event in events]


# Lines of JSON


def test_lines_are_sent_to_who_accepts_them(client: httpx.Client) -> None:
    headers = {"Accept": "application/x-ndjson"}
    response = client.post("/v1/graph/stream", json=call("hi", new_name()), headers=headers)
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert response.text.endswith("}\n")
    assert "data:" not in response.text


@pytest.mark.parametrize(
    ("graph", "text"), [("agent", "What is 6 * 7?"), ("chat_whole", "hi"), ("chat_fails", "hi")]
)
def test_lines_and_events_are_the_same_chunks(client: httpx.Client, graph: str, text: str) -> None:
    read, sent = lines(client, text, new_name(), graph), stream(client, text, new_name(), graph)
    assert without_ids(read) == without_ids(sent)


@pytest.mark.usefixtures("engine")
async def test_two_readers_of_one_run_read_the_same() -> None:
    """One by an SSE client's rules, the other line by line."""
    run = await new_run()
    await work_off()
    responses = [
        httpx.Response(200, headers=dict(body.headers), content=cast("Any", aiter(body)))
        for body in (ChunkStream(run, lines=False), ChunkStream(run, lines=True))
    ]
    events = [event.json() async for event in EventSource(responses[0]).aiter_sse()]
    read = [json.loads(line) async for line in responses[1].aiter_lines()]
    assert events == read
    assert [chunk["type"] for chunk in events] == ["message_start", "message_chunk", "message_end", "done"]


# Silence, and other processes


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("as_lines", "heartbeat"), [(False, b": heartbeat\n\n"), (True, b" ")])
async def test_silence_is_filled(settings: Settings, as_lines: bool, heartbeat: bytes) -> None:
    settings.SKEINO_STREAM_HEARTBEAT_SECONDS = 0.05
    body = cast("AsyncGenerator[bytes]", aiter(ChunkStream(await new_run(), lines=as_lines)))
    async with aclosing(body), asyncio.timeout(10):
        assert [await anext(body) for _ in range(3)] == [heartbeat] * 3


@pytest.mark.usefixtures("engine")
async def test_a_run_that_is_deleted_ends_its_stream() -> None:
    run = await new_run()
    await sync_to_async(run.delete)()
    chunks = [json.loads(part) async for part in ChunkStream(run, lines=True)]
    assert [(chunk["type"], chunk["status"]) for chunk in chunks] == [("done", "stopped")]


async def new_run() -> Run:
    run = await asubmit("echo", input={"messages": [{"role": "user", "content": "hi"}]})
    run.kwargs = {**run.kwargs, "stream_mode": ["chunks"], "config": {"configurable": {"thread_id": "mine"}}}
    await run.asave()
    return run
