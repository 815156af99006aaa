from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from httpx_sse import EventSource, connect_sse
from pytest_django import Settings

from runs.streaming import event_stream
from tests.runs.api import execute, human, names, payloads, stream
from tests.runs.engine import asubmit
from tests.runs.told import Folder


def run_id(client: httpx.Client, thread_id: str) -> str:
    return str(client.get(f"/threads/{thread_id}/runs").json()[0]["run_id"])


def test_the_headers_say_what_it_is_and_where(client: httpx.Client, thread_id: str) -> None:
    body = {"assistant_id": "echo", "input": human("hi")}
    response = client.post(f"/threads/{thread_id}/runs/stream", json=body)
    path = f"/threads/{thread_id}/runs/{run_id(client, thread_id)}"
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.headers["Location"] == f"{path}/stream"
    assert response.headers["Content-Location"] == path


def test_the_first_event_tells_run_attempt_and_thread(client: httpx.Client, thread_id: str) -> None:
    first, *_ = stream(client, thread_id, "echo", input=human("hi"))
    assert first.event == "metadata"
    assert first.json() == {"run_id": run_id(client, thread_id), "attempt": 1, "thread_id": thread_id}


@pytest.mark.parametrize("nothing", [{}, {"stream_mode": None}, {"stream_mode": []}])
def test_values_are_streamed_when_no_mode_is_named(
    client: httpx.Client, thread_id: str, nothing: dict[str, Any]
) -> None:
    events = stream(client, thread_id, "slow", input={"text": "1"}, **nothing)
    assert names(events) == ["metadata", "values", "values"]


def test_events_have_no_ids_by_default(client: httpx.Client, thread_id: str) -> None:
    events = stream(client, thread_id, "echo", input=human("hi"))
    assert {event.id for event in events} == {""}


def test_resumable_events_are_numbered_from_1(client: httpx.Client, thread_id: str) -> None:
    modes = ["values", "messages-tuple"]
    events = stream(client, thread_id, "tokens", input=human("hi"), stream_mode=modes, stream_resumable=True)
    assert [event.id for event in events] == [str(number) for number in range(1, len(events) + 1)]


def test_a_failing_graph_ends_with_an_error_event(client: httpx.Client, thread_id: str) -> None:
    events = stream(client, thread_id, "fails", input={"text": "x"})
    assert names(events) == ["metadata", "values", "error"]
    assert events[-1].json() == {"error": "ValueError", "message": "boom: x"}


def test_a_run_without_input_or_checkpoint_is_an_error_event(client: httpx.Client, thread_id: str) -> None:
    events = stream(client, thread_id, "echo")
    assert names(events) == ["metadata", "error"]
    assert events[-1].json()["error"] == "EmptyInputError"


def test_the_recursion_limit_of_the_config_holds(client: httpx.Client, thread_id: str) -> None:
    events = stream(client, thread_id, "two_steps", input={}, config={"recursion_limit": 1})
    assert events[-1].event == "error"


def test_no_event_tells_the_end(client: httpx.Client, thread_id: str) -> None:
    events = stream(client, thread_id, "echo", input=human("hi"), stream_mode=["updates", "values"])
    assert names(events) == ["metadata", "values", "updates", "values"]


@pytest.mark.parametrize(("graph", "status"), [("slow", "success"), ("fails", "error")])
def test_the_status_is_final_before_the_stream_closes(
    client: httpx.Client, thread_id: str, graph: str, status: str
) -> None:
    for _ in range(5):
        first, *_ = stream(client, thread_id, graph, input={"text": "0"}, stream_mode="updates")
        run = client.get(f"/threads/{thread_id}/runs/{first.json()['run_id']}").json()
        assert run["status"] == status


def test_an_interrupt_is_in_updates_and_values(client: httpx.Client, thread_id: str) -> None:
    events = stream(
        client, thread_id, "interrupting", input={"question": "sure?"}, stream_mode=["updates", "values"]
    )
    [in_updates], [in_values] = (
        [data["__interrupt__"] for data in payloads(events, mode) if "__interrupt__" in data]
        for mode in ("updates", "values")
    )
    assert in_updates == in_values
    assert in_values[0]["value"] == {"question": "sure?"}
    assert in_values[0]["id"]


def test_a_command_resumes_with_a_value(client: httpx.Client, thread_id: str) -> None:
    stream(client, thread_id, "interrupting", input={"question": "sure?"})
    events = stream(client, thread_id, "interrupting", command={"resume": "yes"}, stream_mode="updates")
    assert payloads(events, "updates") == [{"ask": {"answers": ["yes"]}}, {"conclude": {"answers": ["done"]}}]


@pytest.mark.parametrize("value", [False, 0, "", {"type": "edit"}, ["a"]])
def test_any_value_resumes(client: httpx.Client, thread_id: str, value: Any) -> None:
    stream(client, thread_id, "interrupting", input={"question": "sure?"})
    events = stream(client, thread_id, "interrupting", command={"resume": value})
    assert payloads(events, "values")[-1]["answers"] == [value, "done"]


def test_parallel_interrupts_are_resumed_by_id(client: httpx.Client, thread_id: str) -> None:
    events = stream(client, thread_id, "parallel_interrupts", input={"question": "?"})
    interrupts = [one for data in payloads(events, "values") for one in data.get("__interrupt__", [])]
    resume = {interrupt["id"]: f"{interrupt['value']} answered" for interrupt in interrupts}
    events = stream(client, thread_id, "parallel_interrupts", command={"resume": resume})
    assert sorted(payloads(events, "values")[-1]["answers"]) == ["left answered", "right answered"]


def test_one_value_cannot_answer_two_interrupts(client: httpx.Client, thread_id: str) -> None:
    stream(client, thread_id, "parallel_interrupts", input={"question": "?"})
    events = stream(client, thread_id, "parallel_interrupts", command={"resume": "yes"})
    assert names(events) == ["metadata", "error"]
    assert "interrupt id" in events[-1].json()["message"]


def test_a_command_goes_before_input(client: httpx.Client, thread_id: str) -> None:
    stream(client, thread_id, "interrupting", input={"question": "sure?"})
    events = stream(client, thread_id, "interrupting", input={"question": "again"}, command={"resume": "yes"})
    assert payloads(events, "values")[-1] == {"question": "sure?", "answers": ["yes", "done"]}


@pytest.mark.parametrize("nothing", [{}, {"resume": None}, {"resume": None, "update": None, "goto": []}])
def test_an_empty_command_is_none(client: httpx.Client, thread_id: str, nothing: dict[str, Any]) -> None:
    events = stream(client, thread_id, "slow", input={"text": "1"}, command=nothing, stream_mode="updates")
    assert payloads(events, "updates") == [{"node": {"log": ["1 steps"]}}]


def test_the_run_goes_on_when_the_client_leaves(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        body = {"assistant_id": "two_steps", "input": folder.input, "stream_mode": "custom"}
        with connect_sse(client, "POST", f"/threads/{thread_id}/runs/stream", json=body) as source:
            started = json.loads(next(source.iter_sse()).data)["run_id"]
        folder.open("gate")
    execute(client, thread_id, "echo", input=human("hi"))  # waits for the run before it
    assert client.get(f"/threads/{thread_id}/runs/{started}").json()["status"] == "success"


def test_events_are_sent_while_the_run_goes_on(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    body = {"assistant_id": "two_steps", "input": {"folder": str(tmp_path)}, "stream_mode": "custom"}
    path = f"/threads/{thread_id}/runs/stream"
    with Folder(tmp_path) as folder, connect_sse(client, "POST", path, json=body) as source:
        events = source.iter_sse()
        assert [next(events).event for _ in range(2)] == ["metadata", "custom"]
        folder.open("gate")
        assert list(events) == []


def test_an_event_may_be_large(client: httpx.Client, thread_id: str) -> None:
    text = "ä\n" * 100_000
    events = stream(client, thread_id, "echo", input=human(text), stream_mode="updates")
    [update] = payloads(events, "updates")
    assert update["node"]["messages"][0]["content"] == f"echo: {text}"


def test_errors_are_json_whatever_the_client_accepts(client: httpx.Client) -> None:
    path, headers = f"/threads/{uuid.uuid4()}/runs/stream", {"Accept": "text/event-stream"}
    response = client.post(path, json={"assistant_id": "echo"}, headers=headers)
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["detail"].startswith("Thread with ID")


def test_a_missing_thread_is_created_on_request(client: httpx.Client) -> None:
    missing = str(uuid.uuid4())
    first, *_ = stream(client, missing, "echo", input=human("hi"), if_not_exists="create")
    assert first.json()["thread_id"] == missing


def test_a_foreign_thread_does_not_exist(client: httpx.Client, foreign_thread_id: str) -> None:
    response = client.post(f"/threads/{foreign_thread_id}/runs/stream", json={"assistant_id": "echo"})
    assert response.status_code == 404


def test_a_stream_of_a_deleted_thread_closes(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    body = {"assistant_id": "two_steps", "input": {"folder": str(tmp_path)}}
    with (
        Folder(tmp_path) as folder,
        client.stream("POST", f"/threads/{thread_id}/runs/stream", json=body) as response,
    ):
        folder.wait_for_line("second")
        assert client.delete(f"/threads/{thread_id}").status_code == 204
        assert [event.event for event in EventSource(response).iter_sse()][-1:] != ["error"]


@pytest.mark.usefixtures("engine")
async def test_silence_is_filled_with_heartbeats(settings: Settings) -> None:
    settings.SKEINO_STREAM_HEARTBEAT_SECONDS = 0.05
    body = cast("AsyncGenerator[bytes]", aiter(event_stream(await asubmit())))
    async with aclosing(body), asyncio.timeout(10):
        assert [await anext(body) for _ in range(3)] == [b": heartbeat\r\n\r\n"] * 3
