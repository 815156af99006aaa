"""Stopping, measured by what nodes write into a file: see ``tests/graphs/told.py``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async

from runs.graph_api.serializers import GraphCallSerializer
from runs.models import Run
from tests.live import serving
from tests.runs.engine import IDLE, aclaimed, asubmit, at_once, finish, working
from tests.runs.graph_api.api import call, error, invoke, new_name, of, said, stop, stream
from tests.runs.told import Folder
from threads.models import Thread


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with Folder(tmp_path) as folder:
        yield folder


@contextmanager
def under_way(
    client: httpx.Client, ask: Callable[..., Any], thread: Any, folder: Folder
) -> Iterator[Future[Any]]:
    """A call whose graph waits in its second of three nodes."""
    with ThreadPoolExecutor(1) as other, folder:
        answer = other.submit(ask, client, "hi", thread, "chat_told", initial_state=folder.input)
        folder.wait_for_line("wait")
        yield answer


def test_the_running_node_finishes_and_nothing_further_starts(client: httpx.Client, folder: Folder) -> None:
    thread = new_name()
    with under_way(client, invoke, thread, folder) as answer:
        response = stop(client, thread)
        assert (response.status_code, response.json()["data"]) == (
            200,
            {"status": "stopped", "thread_id": thread},
        )
        assert folder.lines == ["begin", "wait"]  # answered at once
        folder.open("gate")
        data = answer.result()
    assert folder.lines == ["begin", "wait", "waited"]
    assert data["status"] == "stopped"
    assert [content for _, content in said(data)] == ["hi", "begun", "waited"]


def test_a_stopped_stream_ends_with_done(client: httpx.Client, folder: Folder) -> None:
    thread = new_name()
    with under_way(client, stream, thread, folder) as answer:
        stop(client, thread)
        folder.open("gate")
        chunks = answer.result()
    assert folder.lines == ["begin", "wait", "waited"]
    assert [chunk["content"] for chunk in of(chunks, "message_end")] == ["begun", "waited"]
    assert (chunks[-1]["type"], chunks[-1]["status"]) == ("done", "stopped")


def test_a_stopped_run_is_interrupted_and_its_state_kept(client: httpx.Client, folder: Folder) -> None:
    thread = new_name()
    with under_way(client, stream, thread, folder) as answer:
        stop(client, thread)
        folder.open("gate")
        run_id = answer.result()[-1]["run_id"]
    response = client.post("/v1/graph/stop", json={"thread_id": thread})
    [found] = client.post("/threads/search", json={"values": {"folder": str(folder.path)}}).json()
    run = client.get(f"/threads/{found['thread_id']}/runs/{run_id}").json()
    assert (run["status"], run["error"]["error"]) == ("interrupted", "UserStop")
    assert [message["content"] for message in found["values"]["messages"]] == ["hi", "begun", "waited"]
    assert response.json()["data"]["status"] == "idle"


def test_the_thread_can_be_used_again_at_once(client: httpx.Client, folder: Folder) -> None:
    thread = new_name()
    with under_way(client, invoke, thread, folder) as answer:
        stop(client, thread)
        with ThreadPoolExecutor(1) as other:
            later = other.submit(invoke, client, "ho", thread, "chat_told")
            folder.open("gate")
            answer.result()
            data = later.result()
    assert data["status"] == "completed"
    assert [content for _, content in said(data)] == [
        "hi",
        "begun",
        "waited",
        "ho",
        "begun",
        "waited",
        "ended",
    ]


def test_a_stop_in_the_last_node_is_one_too(client: httpx.Client, folder: Folder) -> None:
    thread = new_name()
    with ThreadPoolExecutor(1) as other:
        state = {"folder": str(folder.path), "name": "only", "waits_for": ["gate"]}
        answer = other.submit(invoke, client, "hi", thread, "meeting", initial_state=state)
        folder.wait_for_line("begin only")
        stop(client, thread)
        folder.open("gate")
        data = answer.result()
    assert (data["status"], data["state"]["done"]) == ("stopped", ["only"])


def test_what_waits_in_the_queue_never_starts(client: httpx.Client, folder: Folder) -> None:
    thread = new_name()
    with under_way(client, invoke, thread, folder) as answer, ThreadPoolExecutor(2) as others:
        busy = {"metadata": {"graph_id": "chat_told"}, "status": "busy"}
        path = f"/threads/{client.post('/threads/search', json=busy).json()[0]['thread_id']}"
        waiting = [others.submit(ask, client, "ho", thread, "chat_told") for ask in (invoke, stream)]
        while len(client.get(f"{path}/runs").json()) < 3:
            pass
        stop(client, thread)
        invoked, streamed = (one.result() for one in waiting)  # before the first has ended
        folder.open("gate")
        answer.result()
    assert folder.lines == ["begin", "wait", "waited"]
    assert invoked["status"] == "stopped"
    assert "ho" not in [content for _, content in said(invoked)]
    assert [(chunk["type"], chunk["status"]) for chunk in streamed] == [("done", "stopped")]


def test_two_stops_are_as_one(client: httpx.Client, folder: Folder) -> None:
    thread = new_name()
    with under_way(client, invoke, thread, folder) as answer:
        statuses = [stop(client, thread).json()["data"]["status"] for _ in range(2)]
        folder.open("gate")
        assert answer.result()["status"] == "stopped"
    assert statuses == ["stopped", "stopped"]
    assert folder.lines == ["begin", "wait", "waited"]


def test_a_thread_on_which_nothing_runs_is_idle(client: httpx.Client) -> None:
    thread = new_name()
    invoke(client, "hi", thread)
    assert stop(client, thread).json()["data"] == {"status": "idle", "thread_id": thread}
    assert said(invoke(client, "ho", thread))[-1] == ("assistant", "echo: ho")


@pytest.mark.parametrize("thread", ["never heard of", "01920000-0000-7000-8000-000000000000", 70_007])
def test_an_unknown_thread_is_not_found(client: httpx.Client, thread: Any) -> None:
    assert error(stop(client, thread)) == (404, "THREAD_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "THREAD_ID_REQUIRED"),
        ({"thread_id": None, "config": {}}, "THREAD_ID_REQUIRED"),
        ({"thread_id": " "}, "THREAD_ID_REQUIRED"),
        ({"thread_id": True}, "VALIDATION_ERROR"),
        ({"thread_id": "x" * 256}, "VALIDATION_ERROR"),
        ({"thread_id": "x", "config": []}, "VALIDATION_ERROR"),
    ],
)
def test_it_takes_a_thread_id(client: httpx.Client, body: dict[str, Any], code: str) -> None:
    assert error(client.post("/v1/graph/stop", json=body)) == (422, code)


def test_the_thread_may_be_named_in_config(client: httpx.Client) -> None:
    thread = new_name()
    invoke(client, "hi", thread)
    response = client.post("/v1/graph/stop", json={"config": {"thread_id": thread}})
    assert response.json()["data"] == {"status": "idle", "thread_id": thread}


def test_a_run_of_the_ordinary_api_is_stopped_too(client: httpx.Client, folder: Folder) -> None:
    thread_id = client.post("/threads", json={}).json()["thread_id"]
    body = {"assistant_id": "two_steps", "input": folder.input}
    with ThreadPoolExecutor(1) as other:
        answer = other.submit(client.post, f"/threads/{thread_id}/runs", json=body)
        folder.wait_for_line("second")
        assert stop(client, thread_id).json()["data"]["status"] == "stopped"
        folder.open("gate")
        assert answer.result().json()["status"] == "interrupted"


def test_it_reaches_a_run_in_any_process(fresh_database: Callable[[], str], folder: Folder) -> None:
    with (
        serving(fresh_database(), WEB_CONCURRENCY="2", SKEINO_WORKERS="2") as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        for number, ask in enumerate([invoke, stream] * 2, 1):
            thread = new_name()
            with under_way(client, ask, thread, folder) as answer:
                with httpx.Client(base_url=url, timeout=30) as another:  # another connection, any process
                    assert stop(another, thread).json()["data"]["status"] == "stopped"
                folder.open("gate")
                data = answer.result()
            assert (data if isinstance(data, dict) else data[-1])["status"] == "stopped"
            assert folder.lines.count("waited") == number
            (folder.path / "gate").unlink()
            (folder.path / "log").write_text("waited\n" * number)
    assert "end" not in folder.lines


# Races


@pytest.mark.usefixtures("engine")
async def test_a_stop_that_races_the_runs_end_changes_nothing_then() -> None:
    for _ in range(5):
        run = await aclaimed(input={"messages": [{"role": "user", "content": "hi"}]})
        finishing = partial(finish, run, Run.Status.SUCCESS, IDLE, seq=1)
        stop_all = Run.objects.filter(thread=run.thread_id).drain
        *stopped, finished = await sync_to_async(at_once)(stop_all, stop_all, finishing)
        await run.arefresh_from_db()
        assert {*map(type, stopped)} == {bool}
        assert finished is None
        assert run.status == Run.Status.SUCCESS
        assert (await Thread.objects.aget(pk=run.thread_id)).status == Thread.Status.IDLE


def test_stops_during_short_runs_break_nothing(client: httpx.Client) -> None:
    thread = new_name()
    invoke(client, "hi", thread)
    for _ in range(10):
        with ThreadPoolExecutor(2) as others:
            streamed = others.submit(stream, client, "ho", thread)
            stopped = others.submit(stop, client, thread).result()
        assert stopped.status_code == 200
        assert streamed.result()[-1]["status"] in ("completed", "stopped")
    assert invoke(client, "last", thread)["status"] == "completed"


@pytest.mark.usefixtures("engine")
async def test_a_stop_that_its_worker_has_not_been_told_of_is_heeded_at_the_next_step(folder: Folder) -> None:
    """As when a node ends right after the stop was answered."""
    body = GraphCallSerializer(data=call("hi", "mine", "chat_told", initial_state=folder.input))
    body.is_valid(raise_exception=True)
    run = await asubmit("chat_told")
    await Run.objects.filter(pk=run.pk).aupdate(kwargs=body.run_kwargs(streamed=False))
    async with working():
        await folder.await_line("wait")
        await Run.objects.filter(pk=run.pk).aupdate(cancel_action=Run.CancelAction.DRAIN)
        folder.open("gate")
        async with asyncio.timeout(15):
            while await Run.objects.active().aexists():
                await asyncio.sleep(0.01)
    await run.arefresh_from_db()
    assert (run.status, folder.lines) == (Run.Status.INTERRUPTED, ["begin", "wait", "waited"])
