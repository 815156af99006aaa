"""Runs that others made: to wait for them, to follow them, to stop them. And runs without a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient, SyncLangGraphClient
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError

from tests.clients.streams import collect, names, payloads
from tests.runs.api import human
from tests.runs.told import Folder

IN_BACKGROUND = {"Prefer": "respond-async"}


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    with Folder(tmp_path) as folder:
        yield folder


async def start(client: LangGraphClient, thread_id: str, folder: Folder, **how: Any) -> str:
    """A run that waits for the gate; its id."""
    run = await client.runs.create(
        thread_id, "two_steps", input=folder.input, headers=IN_BACKGROUND, **{"stream_mode": "custom", **how}
    )
    assert run["status"] == "pending"
    return run["run_id"]


async def status(client: LangGraphClient, thread_id: str, run_id: str) -> str:
    await client.runs.join(thread_id, run_id)
    return (await client.runs.get(thread_id, run_id))["status"]


# --- waiting ---


async def test_wait_returns_the_values(client: LangGraphClient, thread_id: str) -> None:
    created: list[Any] = []
    found = await client.runs.wait(thread_id, "slow", input={"text": "0"}, on_run_created=created.append)
    assert found == {"text": "0", "log": ["0 steps"]}
    assert created == [{"run_id": (await client.runs.list(thread_id))[0]["run_id"], "thread_id": thread_id}]


async def test_wait_raises_the_graphs_error_unless_told_otherwise(
    client: LangGraphClient, thread_id: str
) -> None:
    with pytest.raises(Exception, match="ValueError: boom: x"):
        await client.runs.wait(thread_id, "fails", input={"text": "x"})
    found: Any = await client.runs.wait(thread_id, "fails", input={"text": "x"}, raise_error=False)
    assert found["__error__"] == {"error": "ValueError", "message": "boom: x"}


async def test_wait_tells_of_interrupts_and_resumes(client: LangGraphClient, thread_id: str) -> None:
    found: Any = await client.runs.wait(thread_id, "interrupting", input={"question": "sure?"})
    assert found["__interrupt__"][0]["value"] == {"question": "sure?"}
    found = await client.runs.wait(thread_id, "interrupting", command={"resume": "yes"})
    assert found == {"question": "sure?", "answers": ["yes", "done"]}


async def test_join_waits_for_a_run(client: LangGraphClient, thread_id: str, folder: Folder) -> None:
    run_id = await start(client, thread_id, folder)
    joining = asyncio.create_task(client.runs.join(thread_id, run_id))
    await folder.await_line("second")
    assert not joining.done()
    folder.open("gate")
    assert (await joining)["done"] == ["first", "second"]


# --- following ---


async def test_join_stream_begins_where_it_is_told_to(client: LangGraphClient, thread_id: str) -> None:
    stream = client.runs.stream(
        thread_id, "slow", input={"text": "3"}, stream_mode=["custom", "values"], stream_resumable=True
    )
    parts = await collect(stream)
    run_id = parts[0].data["run_id"]
    for place, part in enumerate(parts, start=1):
        found = await collect(client.runs.join_stream(thread_id, run_id, last_event_id=part.id))
        assert found == parts[place:]
    assert await collect(client.runs.join_stream(thread_id, run_id, last_event_id="-1")) == parts
    assert await collect(client.runs.join_stream(thread_id, run_id)) == parts


@pytest.mark.parametrize("modes", ["custom", ["custom"], ["custom", "updates"]])
async def test_join_stream_chooses_modes(client: LangGraphClient, thread_id: str, modes: Any) -> None:
    run = await client.runs.create(thread_id, "slow", input={"text": "2"}, stream_mode=["values", "custom"])
    parts = await collect(client.runs.join_stream(thread_id, run["run_id"], stream_mode=modes))
    assert names(parts) == ["custom", "custom"]


async def test_join_stream_follows_a_run_that_goes_on(
    client: LangGraphClient, thread_id: str, folder: Folder
) -> None:
    run_id = await start(client, thread_id, folder, stream_mode=["custom", "updates"])
    await folder.await_line("second")
    stream: Any = client.runs.join_stream(thread_id, run_id, last_event_id="-1")
    assert [(await anext(stream)).event for _ in range(3)] == ["metadata", "updates", "custom"]
    folder.open("gate")
    assert names(await collect(stream)) == ["updates"]


@pytest.mark.parametrize("cancels", [False, True])
async def test_who_joins_may_end_the_run_by_leaving(
    client: LangGraphClient, thread_id: str, folder: Folder, cancels: bool
) -> None:
    run_id = await start(client, thread_id, folder)
    stream: Any = client.runs.join_stream(thread_id, run_id, last_event_id="-1", cancel_on_disconnect=cancels)
    assert [(await anext(stream)).event for _ in range(2)] == ["metadata", "custom"]
    await stream.aclose()
    if not cancels:
        folder.open("gate")
    assert await status(client, thread_id, run_id) == ("interrupted" if cancels else "success")


async def test_what_is_unknown_cannot_be_joined(client: LangGraphClient, thread_id: str) -> None:
    for joining in (
        client.runs.join(thread_id, thread_id),
        collect(client.runs.join_stream(thread_id, thread_id)),
    ):
        with pytest.raises(Exception) as refused:
            await joining
        assert refused.value.response.status_code == 404  # type: ignore[attr-defined]
    with pytest.raises(UnprocessableEntityError, match="Invalid event ID"):
        run = await client.runs.create(thread_id, "slow", input={"text": "0"})
        await collect(client.runs.join_stream(thread_id, run["run_id"], last_event_id="garbage"))


async def test_a_threads_stream_tells_of_all_its_runs(client: LangGraphClient, thread_id: str) -> None:
    stream: Any = await client.threads.join_stream(thread_id, stream_mode=["run_modes", "lifecycle"])
    following = asyncio.create_task(anext(stream))
    await client.runs.create(thread_id, "slow", input={"text": "0"})
    await client.runs.create(thread_id, "slow", input={"text": "0"}, stream_mode="updates")
    parts = [await following, *[await anext(stream) for _ in range(6)]]
    assert names(parts) == ["metadata", "values", "values", "metadata", "metadata", "updates", "metadata"]
    assert [parts[place].data["status"] for place in (3, 6)] == ["run_done"] * 2
    await stream.aclose()
    again: Any = await client.threads.join_stream(thread_id, last_event_id=parts[3].id)
    assert [await anext(again) for _ in range(3)] == parts[4:]
    await again.aclose()


async def test_a_threads_stream_may_tell_of_beginnings_and_ends_alone(
    client: LangGraphClient, thread_id: str
) -> None:
    await client.runs.create(thread_id, "slow", input={"text": "0"})
    stream: Any = await client.threads.join_stream(thread_id, stream_mode=["lifecycle"], last_event_id="-")
    assert names([await anext(stream) for _ in range(2)]) == ["metadata", "metadata"]
    await stream.aclose()


# --- stopping ---


@pytest.mark.parametrize("wait", [False, True])
async def test_cancel_interrupts(client: LangGraphClient, thread_id: str, folder: Folder, wait: bool) -> None:
    run_id = await start(client, thread_id, folder)
    await folder.await_line("second")
    await client.runs.cancel(thread_id, run_id, wait=wait)
    assert await status(client, thread_id, run_id) == "interrupted"
    with pytest.raises(NotFoundError, match="No matching runs to cancel"):
        await client.runs.cancel(thread_id, run_id)


@pytest.mark.parametrize("wait", [False, True])
async def test_cancel_rolls_back(client: LangGraphClient, thread_id: str, folder: Folder, wait: bool) -> None:
    run_id = await start(client, thread_id, folder)
    await folder.await_line("second")
    await client.runs.cancel(thread_id, run_id, wait=wait, action="rollback")
    with pytest.raises(NotFoundError):
        await client.runs.get(thread_id, run_id)
    assert (await client.threads.get_state(thread_id))["values"] == {}


async def test_cancel_many(client: LangGraphClient, thread_id: str, folder: Folder) -> None:
    runs = [await start(client, thread_id, folder) for _ in range(3)]
    await folder.await_line("second")
    await client.runs.cancel_many(thread_id=thread_id, run_ids=runs[:2])
    assert [await status(client, thread_id, run_id) for run_id in runs[:2]] == ["interrupted"] * 2
    await client.runs.cancel_many(status="all", action="rollback")
    assert [run["run_id"] for run in await client.runs.list(thread_id)] == runs[1::-1]
    with pytest.raises(NotFoundError, match="No matching runs to cancel"):
        await client.runs.cancel_many(status="pending")


async def test_delete(client: LangGraphClient, thread_id: str, folder: Folder) -> None:
    ended = await client.runs.create(thread_id, "slow", input={"text": "0"})
    active = await start(client, thread_id, folder)
    await folder.await_line("second")
    for run_id in (ended["run_id"], active):
        await client.runs.delete(thread_id, run_id)
        with pytest.raises(NotFoundError):
            await client.runs.delete(thread_id, run_id)
    assert await client.runs.list(thread_id) == []
    assert (await client.threads.get(thread_id))["status"] == "idle"


# --- runs without a thread ---


async def test_a_stream_without_a_thread(client: LangGraphClient) -> None:
    created: list[Any] = []
    modes: Any = ["values", "updates"]
    stream = client.runs.stream(
        None, "slow", input={"text": "0"}, stream_mode=modes, on_run_created=created.append
    )
    parts = await collect(stream)
    assert names(parts) == ["metadata", "values", "updates", "values"]
    assert created[0]["run_id"] == parts[0].data["run_id"]


async def test_waiting_without_a_thread(client: LangGraphClient) -> None:
    assert (await client.runs.wait(None, "slow", input={"text": "0"}))["log"] == ["0 steps"]  # type: ignore[call-overload]
    with pytest.raises(Exception, match="ValueError: boom: x"):
        await client.runs.wait(None, "fails", input={"text": "x"})
    with pytest.raises(Exception, match="400"):
        await client.runs.wait(None, "interrupting", command={"resume": "yes"})


async def test_creating_without_a_thread(client: LangGraphClient) -> None:
    run = await client.runs.create(None, "slow", input={"text": "0"})
    assert run["status"] == "pending"
    assert (await client.runs.join(run["thread_id"], run["run_id"]))["log"] == ["0 steps"]
    kept = await client.runs.create(None, "slow", input={"text": "0"}, on_completion="keep")
    await client.runs.join(kept["thread_id"], kept["run_id"])
    assert [
        thread["thread_id"]
        for thread in await client.threads.search(ids=[kept["thread_id"], run["thread_id"]])
    ] == [kept["thread_id"]]


async def test_a_batch(client: LangGraphClient) -> None:
    payloads_: list[Any] = [
        {"assistant_id": "slow", "input": {"text": "0"}},
        {"assistant_id": "echo", "input": human("hi"), "metadata": {"a": 1}},
    ]
    runs: Any = await client.runs.create_batch(payloads_)
    assert [run["kwargs"]["input"] for run in runs] == [payload["input"] for payload in payloads_]
    found: Any = [await client.runs.join(run["thread_id"], run["run_id"]) for run in runs]
    assert found[0]["log"] == ["0 steps"]
    assert found[1]["messages"][-1]["content"] == "echo: hi"
    with pytest.raises(UnprocessableEntityError, match=r"0\.assistant_id: "):
        await client.runs.create_batch([{"input": {}}])  # type: ignore[typeddict-item]


async def test_a_request_that_is_repeated_makes_no_second_run(
    client: LangGraphClient, thread_id: str
) -> None:
    headers = {"Idempotency-Key": thread_id}
    runs = [
        await client.runs.create(thread_id, "slow", input={"text": "0"}, headers=headers) for _ in range(2)
    ]
    assert runs[0] == runs[1]
    streams = [
        await collect(client.runs.stream(thread_id, "slow", input={"text": "0"}, headers=headers))
        for _ in range(2)
    ]
    assert (
        payloads(streams[0], "metadata")[0]["run_id"]
        == payloads(streams[1], "metadata")[0]["run_id"]
        == runs[0]["run_id"]
    )


def test_the_synchronous_client_does_the_same(sync_client: SyncLangGraphClient, tmp_path: Path) -> None:
    thread_id = sync_client.threads.create()["thread_id"]
    with Folder(tmp_path) as folder:
        run = sync_client.runs.create(thread_id, "two_steps", input=folder.input, headers=IN_BACKGROUND)
        folder.wait_for_line("second")
        sync_client.runs.cancel(thread_id, run["run_id"], wait=True)
    assert sync_client.runs.join(thread_id, run["run_id"])["done"] == ["first"]
    assert sync_client.runs.wait(thread_id, "slow", input={"text": "0"})["log"] == ["0 steps"]  # type: ignore[call-overload]
    assert names(sync_client.runs.stream(None, "slow", input={"text": "0"})) == [
        "metadata",
        "values",
        "values",
    ]
    assert sync_client.runs.wait(None, "slow", input={"text": "0"})["log"] == ["0 steps"]  # type: ignore[call-overload]
    sync_client.runs.delete(thread_id, run["run_id"])
    [left] = sync_client.runs.list(thread_id)
    parts = list(sync_client.runs.join_stream(thread_id, left["run_id"], stream_mode="values"))
    assert names(parts) == ["values", "values"]
