from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError
from langgraph_sdk.schema import RunCreateMetadata

from tests.clients.streams import collect, names, payloads
from tests.runs.api import human
from tests.runs.told import Folder

BUSY = "Thread is already running a task. Wait for it to finish or choose a different multitask strategy."


async def test_a_created_run_has_been_executed(client: LangGraphClient, thread_id: str) -> None:
    created: list[RunCreateMetadata] = []
    run = await client.runs.create(thread_id, "echo", input=human("hi"), on_run_created=created.append)
    assert created == [{"run_id": run["run_id"], "thread_id": thread_id}]
    assert (run["status"], run["thread_id"], run["multitask_strategy"]) == ("success", thread_id, "enqueue")
    assert run["assistant_id"] == (await client.assistants.get("echo"))["assistant_id"]
    assert await client.runs.get(thread_id, run["run_id"]) == run
    thread: Any = await client.threads.get(thread_id)
    assert thread["values"]["messages"][-1]["content"] == "echo: hi"


async def test_a_run_that_fails_is_no_exception(client: LangGraphClient, thread_id: str) -> None:
    run: Any = await client.runs.create(thread_id, "fails", input={"text": "x"})
    assert (run["status"], run["error"]) == ("error", {"error": "ValueError", "message": "boom: x"})


async def test_a_run_keeps_what_was_asked_for(client: LangGraphClient, thread_id: str) -> None:
    asked: dict[str, Any] = {
        "input": {"text": "0"},
        "config": {"tags": ["mine"], "recursion_limit": 7, "configurable": {"a": 1}},
        "stream_mode": ["values", "updates"],
        "interrupt_before": ["nowhere"],
        "interrupt_after": "*",
        "durability": "sync",
    }
    run: Any = await client.runs.create(
        thread_id, "slow", metadata={"b": 2}, multitask_strategy="reject", stream_resumable=True, **asked
    )
    assert {key: run["kwargs"][key] for key in asked} == asked
    assert run["kwargs"]["resumable"] is True
    assert run["metadata"]["b"] == 2
    assert run["metadata"]["graph_id"] == "slow"


async def test_config_and_context_reach_the_graph(client: LangGraphClient, thread_id: str) -> None:
    config: Any = {"tags": ["mine"], "configurable": {"a": 1}}
    await client.runs.create(thread_id, "config", input={"seen": {}}, config=config)
    thread: Any = await client.threads.get(thread_id)
    seen = thread["values"]["seen"]
    assert seen["tags"] == ["mine"]
    assert (seen["configurable"]["a"], seen["configurable"]["thread_id"]) == (1, thread_id)
    await client.runs.create(thread_id, "config", input={"seen": {}}, context={"b": 2})
    thread = await client.threads.get(thread_id)
    assert thread["values"]["seen"]["configurable"]["b"] == 2


async def test_an_assistant_is_named_by_its_id_too(client: LangGraphClient, thread_id: str) -> None:
    assistant_id = (await client.assistants.get("slow"))["assistant_id"]
    run = await client.runs.create(thread_id, assistant_id, input={"text": "0"})
    assert (run["status"], run["assistant_id"]) == ("success", assistant_id)


@pytest.mark.parametrize(
    ("how", "checkpoints"),
    [({}, 3), ({"durability": "sync"}, 3), ({"durability": "exit"}, 1), ({"checkpoint_during": False}, 1)],
)
@pytest.mark.filterwarnings("ignore:.*checkpoint_during.*:DeprecationWarning")
async def test_durability_says_how_many_checkpoints_there_are(
    client: LangGraphClient, thread_id: str, how: Any, checkpoints: int
) -> None:
    await collect(client.runs.stream(thread_id, "slow", input={"text": "0"}, **how))
    assert len(await client.threads.get_history(thread_id)) == checkpoints


# --- several at once ---


async def test_runs_of_a_thread_wait_for_each_other(
    client: LangGraphClient, thread_id: str, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        stream = client.runs.stream(thread_id, "two_steps", input=folder.input, stream_mode="custom")
        first = (await anext(stream)).data["run_id"]
        created: asyncio.Future[RunCreateMetadata] = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(
            collect(
                client.runs.stream(thread_id, "slow", input={"text": "0"}, on_run_created=created.set_result)
            )
        )
        second = (await created)["run_id"]
        assert (await client.runs.get(thread_id, second))["status"] == "pending"
        folder.open("gate")
        assert names(await waiting) == ["metadata", "values", "values"]
        await collect(stream)
    assert (await client.runs.get(thread_id, first))["status"] == "success"


async def test_a_busy_thread_may_be_a_conflict(
    client: LangGraphClient, thread_id: str, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        stream = client.runs.stream(thread_id, "two_steps", input=folder.input, stream_mode="custom")
        await anext(stream)
        with pytest.raises(ConflictError) as refused:
            await client.runs.create(thread_id, "slow", input={"text": "0"}, multitask_strategy="reject")
        assert str(refused.value) == BUSY
        with pytest.raises(ConflictError) as refused:
            await collect(client.runs.stream(thread_id, "slow", multitask_strategy="reject"))
        assert str(refused.value) == BUSY
        folder.open("gate")
        await collect(stream)
    assert len(await client.runs.list(thread_id)) == 1


async def test_a_run_may_be_asked_for_later(client: LangGraphClient, thread_id: str) -> None:
    created: asyncio.Future[RunCreateMetadata] = asyncio.get_running_loop().create_future()
    later = asyncio.create_task(
        collect(
            client.runs.stream(
                thread_id,
                "slow",
                input={"text": "0"},
                stream_mode="updates",
                after_seconds=2,
                on_run_created=created.set_result,
            )
        )
    )
    run_id = (await created)["run_id"]
    assert (await client.runs.get(thread_id, run_id))["status"] == "pending"
    assert (await client.threads.get(thread_id))["status"] == "busy"
    assert payloads(await later, "updates") == [{"node": {"log": ["0 steps"]}}]


# --- threads that are not there ---


async def test_a_missing_thread_is_made_where_asked_for(client: LangGraphClient) -> None:
    missing = str(uuid.uuid4())
    run = await client.runs.create(missing, "slow", input={"text": "0"}, if_not_exists="create")
    assert (run["thread_id"], run["status"]) == (missing, "success")
    assert (await client.threads.get(missing))["values"] == {"text": "0", "log": ["0 steps"]}


@pytest.mark.parametrize("how", [{}, {"if_not_exists": "reject"}])
async def test_a_missing_thread_is_not_found(client: LangGraphClient, how: Any) -> None:
    missing = str(uuid.uuid4())
    with pytest.raises(NotFoundError, match=f"Thread with ID {missing} not found"):
        await client.runs.create(missing, "slow", input={"text": "0"}, **how)
    with pytest.raises(NotFoundError, match=f"Thread with ID {missing} not found"):
        await collect(client.runs.stream(missing, "slow", input={"text": "0"}, **how))


# --- what cannot be asked for ---


@pytest.mark.parametrize(
    ("assistant_id", "how", "detail"),
    [
        ("nope", {}, "Invalid assistant: 'nope'.*registered graphs: .*echo"),
        (
            "slow",
            {"stream_mode": "nope"},
            'stream_mode: "nope" is not a stream mode. Expected one of: ',
        ),
        ("slow", {"multitask_strategy": "nope"}, 'multitask_strategy: "nope" is not a valid choice'),
        ("slow", {"durability": "nope"}, 'durability: "nope" is not a valid choice'),
        ("slow", {"config": {"recursion_limit": 0}}, "config.recursion_limit: "),
        ("slow", {"checkpoint_id": "nope"}, "checkpoint_id: "),
        ("slow", {"command": {"goto": 1}}, "command.goto: "),
        ("echo", {"input": {"messages": [{"role": "nobody", "content": ""}]}}, "input: Invalid message"),
    ],
)
async def test_the_error_says_what_is_wrong(
    client: LangGraphClient, thread_id: str, assistant_id: str, how: Any, detail: str
) -> None:
    with pytest.raises(UnprocessableEntityError, match=detail):
        await client.runs.create(thread_id, assistant_id, **how)
    with pytest.raises(UnprocessableEntityError, match=detail):
        await collect(client.runs.stream(thread_id, assistant_id, **how))


async def test_an_unknown_assistant_is_not_found(client: LangGraphClient, thread_id: str) -> None:
    missing = str(uuid.uuid4())
    with pytest.raises(NotFoundError, match=f"Assistant {missing} not found"):
        await client.runs.create(thread_id, missing)


# --- looking at them ---


async def test_runs_are_listed_newest_first(client: LangGraphClient, thread_id: str) -> None:
    made = [
        (await client.runs.create(thread_id, graph, input={"text": "0"}))["run_id"]
        for graph in ("slow", "fails", "slow")
    ]

    async def listed(**conditions: Any) -> list[str]:
        return [run["run_id"] for run in await client.runs.list(thread_id, **conditions)]

    assert await listed() == made[::-1]
    assert await listed(limit=1, offset=1) == [made[1]]
    assert await listed(status="success") == [made[2], made[0]]


async def test_a_list_of_runs_shows_what_was_selected(client: LangGraphClient, thread_id: str) -> None:
    run = await client.runs.create(thread_id, "slow", input={"text": "0"})
    found: Any = await client.runs.list(thread_id, select=["run_id", "status"])
    assert found == [{"run_id": run["run_id"], "status": "success"}]


async def test_an_unknown_run_is_not_found(client: LangGraphClient, thread_id: str) -> None:
    missing = str(uuid.uuid4())
    with pytest.raises(NotFoundError, match=f"Run with ID {missing} not found"):
        await client.runs.get(thread_id, missing)
    with pytest.raises(UnprocessableEntityError, match="Invalid run ID: must be a UUID"):
        await client.runs.get(thread_id, "nope")
    with pytest.raises(NotFoundError, match=f"Thread with ID {missing} not found"):
        await client.runs.list(missing)


async def test_a_run_is_of_its_thread_alone(client: LangGraphClient, thread_id: str) -> None:
    run = await client.runs.create(thread_id, "slow", input={"text": "0"})
    other = (await client.threads.create())["thread_id"]
    with pytest.raises(NotFoundError, match="Run with ID"):
        await client.runs.get(other, run["run_id"])
