from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from tests.clients.streams import collect
from tests.runs.api import human


@pytest.fixture
def mark() -> dict[str, str]:
    """Metadata that only this test's threads have."""
    return {"test": uuid.uuid4().hex}


async def test_a_thread_needs_nothing(client: LangGraphClient) -> None:
    thread: Any = await client.threads.create()
    assert str(uuid.UUID(thread["thread_id"])) == thread["thread_id"]
    assert (thread["status"], thread["metadata"], thread["values"]) == ("idle", {}, None)
    assert thread["interrupts"] == {}
    assert datetime.fromisoformat(thread["created_at"]).tzinfo
    assert await client.threads.get(thread["thread_id"]) == thread


async def test_a_thread_is_made_of_everything_that_was_given(client: LangGraphClient) -> None:
    thread_id = str(uuid.uuid4())
    supersteps: Any = [
        {"updates": [{"values": {"text": "x"}, "as_node": "__start__"}]},
        {"updates": [{"values": {"log": ["by hand"]}, "as_node": "child"}]},
    ]
    thread = await client.threads.create(
        thread_id=thread_id, metadata={"a": 1}, graph_id="sub", supersteps=supersteps, ttl=60
    )
    assert thread["thread_id"] == thread_id
    assert thread["metadata"] == {"a": 1, "graph_id": "sub"}
    assert thread["values"] == {"text": "x", "log": ["by hand"]}
    assert (await client.threads.get_state(thread_id))["next"] == ["after"]


async def test_supersteps_may_be_commands(client: LangGraphClient) -> None:
    command = {"update": {"text": "x"}, "goto": "after"}
    superstep: Any = {"updates": [{"values": None, "command": command, "as_node": "__start__"}]}
    thread = await client.threads.create(graph_id="sub", supersteps=[superstep])
    assert thread["values"] == {"text": "x", "log": []}


async def test_an_id_that_is_taken_is_a_conflict(client: LangGraphClient, thread_id: str) -> None:
    with pytest.raises(ConflictError, match=f"Thread with ID {thread_id} already exists"):
        await client.threads.create(thread_id=thread_id)
    with pytest.raises(ConflictError, match=f"Thread with ID {thread_id} already exists"):
        await client.threads.create(thread_id=thread_id, if_exists="raise")


async def test_a_thread_that_is_there_may_do(client: LangGraphClient, mark: dict[str, str]) -> None:
    there = await client.threads.create(metadata=mark)
    again = await client.threads.create(
        thread_id=there["thread_id"], if_exists="do_nothing", metadata={"other": 1}
    )
    assert again == there


@pytest.mark.parametrize(
    ("ttl", "strategy"), [(60, "delete"), ({"ttl": 60, "strategy": "keep_latest"}, "keep_latest")]
)
async def test_the_time_to_live_is_shown_where_asked_for(
    client: LangGraphClient, ttl: Any, strategy: str
) -> None:
    created = await client.threads.create(ttl=ttl)
    assert "ttl" not in created
    thread: Any = await client.threads.get(created["thread_id"], include=["ttl"])
    assert (thread["ttl"]["ttl_minutes"], thread["ttl"]["strategy"]) == (60, strategy)
    left = datetime.fromisoformat(thread["ttl"]["expires_at"]) - datetime.fromisoformat(thread["created_at"])
    assert timedelta(minutes=59) < left < timedelta(minutes=61)


async def test_an_update_merges_metadata(client: LangGraphClient, thread_id: str) -> None:
    await client.threads.update(thread_id, metadata={"a": 1, "b": 1})
    thread = await client.threads.update(thread_id, metadata={"b": 2, "c": None}, ttl=5)
    assert thread["metadata"] == {"a": 1, "b": 2, "c": None}
    shown: Any = await client.threads.get(thread_id, include=["ttl"])
    assert shown["ttl"]["ttl_minutes"] == 5


async def test_a_minimal_update_returns_nothing(client: LangGraphClient, thread_id: str) -> None:
    update: Any = client.threads.update
    assert await update(thread_id, metadata={"a": 1}, return_minimal=True) is None
    assert (await client.threads.get(thread_id))["metadata"] == {"a": 1}


async def test_a_deleted_thread_is_gone(client: LangGraphClient, thread_id: str) -> None:
    await client.threads.delete(thread_id)
    for call in (client.threads.get, client.threads.delete, client.threads.get_state, client.threads.copy):
        with pytest.raises(NotFoundError, match=f"Thread with ID {thread_id} not found"):
            await call(thread_id)


async def test_an_id_that_is_none_is_refused(client: LangGraphClient) -> None:
    with pytest.raises(UnprocessableEntityError, match="Invalid thread ID: must be a UUID"):
        await client.threads.get("nope")


async def test_threads_are_found_by_metadata_newest_first(
    client: LangGraphClient, mark: dict[str, str]
) -> None:
    made = [(await client.threads.create(metadata=mark))["thread_id"] for _ in range(3)]
    found = await client.threads.search(metadata=mark)
    assert [thread["thread_id"] for thread in found] == made[::-1]
    page = await client.threads.search(
        metadata=mark, limit=1, offset=1, sort_by="created_at", sort_order="asc"
    )
    assert [thread["thread_id"] for thread in page] == made[1:2]


async def test_threads_are_found_by_ids_values_and_status(client: LangGraphClient) -> None:
    made = [(await client.threads.create())["thread_id"] for _ in range(3)]
    await collect(client.runs.stream(made[0], "slow", input={"text": "0"}))
    await collect(client.runs.stream(made[1], "interrupting", input={"question": "sure?"}))

    async def found(**conditions: Any) -> list[str]:
        threads = await client.threads.search(ids=made, sort_order="asc", **conditions)
        return [thread["thread_id"] for thread in threads]

    assert await found() == made
    assert await found(values={"text": "0"}) == [made[0]]
    assert await found(status="interrupted") == [made[1]]
    assert await found(status="idle", values={"question": "sure?"}) == []


async def test_a_run_marks_its_thread_for_searches(client: LangGraphClient, mark: dict[str, str]) -> None:
    thread_id = (await client.threads.create(metadata=mark))["thread_id"]
    await collect(client.runs.stream(thread_id, "echo", input=human("hi")))
    assistant_id = (await client.assistants.get("echo"))["assistant_id"]
    for which in ({"graph_id": "echo"}, {"assistant_id": assistant_id}):
        assert len(await client.threads.search(metadata={**mark, **which})) == 1


async def test_a_search_shows_what_was_selected_and_extracted(
    client: LangGraphClient, thread_id: str
) -> None:
    await collect(client.runs.stream(thread_id, "echo", input=human("hi")))
    found: Any = await client.threads.search(
        ids=[thread_id],
        select=["thread_id", "status"],
        extract={"last": "values.messages[-1].content", "none": "values.nope"},
    )
    extracted = {"last": "echo: hi", "none": None}
    assert found == [{"thread_id": thread_id, "status": "idle", "extracted": extracted}]


async def copy_of(client: LangGraphClient, thread_id: str) -> Any:
    copy: Any = client.threads.copy  # says that it returns nothing, and returns the new thread
    return await copy(thread_id)


async def test_a_copy_has_the_state_and_says_where_it_comes_from(
    client: LangGraphClient, thread_id: str
) -> None:
    await collect(client.runs.stream(thread_id, "slow", input={"text": "0"}))
    copy = await copy_of(client, thread_id)
    assert copy["metadata"]["forked_from"] == thread_id
    assert (await client.threads.get_state(copy["thread_id"]))["values"] == {"text": "0", "log": ["0 steps"]}
    assert await client.runs.list(copy["thread_id"]) == []


async def test_a_copy_goes_its_own_way(client: LangGraphClient, thread_id: str) -> None:
    await collect(client.runs.stream(thread_id, "interrupting", input={"question": "sure?"}))
    copy = await copy_of(client, thread_id)
    assert copy["status"] == "interrupted"
    await collect(client.runs.stream(copy["thread_id"], "interrupting", command={"resume": "yes"}))
    answered: Any = await client.threads.get(copy["thread_id"])
    assert answered["values"]["answers"] == ["yes", "done"]
    assert (await client.threads.get(thread_id))["status"] == "interrupted"
