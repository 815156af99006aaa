from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import BadRequestError, ConflictError

from tests.clients.streams import collect
from tests.runs.told import Folder


@pytest.fixture
async def walked_id(client: LangGraphClient, thread_id: str) -> str:
    """A thread on which the graph with a subgraph has run."""
    await collect(client.runs.stream(thread_id, "sub", input={"text": "x"}))
    return thread_id


async def before_the_subgraph(client: LangGraphClient, thread_id: str) -> Any:
    """The state at the checkpoint where the subgraph comes next."""
    history = await client.threads.get_history(thread_id)
    [found] = [state for state in history if state["next"] == ["child"]]
    return found


# --- reading ---


async def test_a_thread_that_never_ran_has_an_empty_state(client: LangGraphClient, thread_id: str) -> None:
    state: Any = await client.threads.get_state(thread_id)
    assert (state["values"], state["next"], state["tasks"]) == ({}, [], [])
    assert state["checkpoint"] is state["parent_checkpoint"] is state["metadata"] is None
    assert await client.threads.get_history(thread_id) == []


async def test_the_state_is_that_of_the_latest_checkpoint(client: LangGraphClient, walked_id: str) -> None:
    state: Any = await client.threads.get_state(walked_id)
    assert state["values"] == {"text": "x", "log": ["inner x", "after x"]}
    assert (state["next"], state["tasks"]) == ([], [])
    assert state["checkpoint"]["thread_id"] == walked_id
    assert state["metadata"]["graph_id"] == "sub"
    assert state == (await client.threads.get_history(walked_id, limit=1))[0]


async def test_the_state_at_a_checkpoint_is_found_by_it_and_by_its_id(
    client: LangGraphClient, walked_id: str
) -> None:
    for past in await client.threads.get_history(walked_id):
        checkpoint = past["checkpoint"]
        assert await client.threads.get_state(walked_id, checkpoint=checkpoint) == past
        checkpoint_id = checkpoint["checkpoint_id"]
        assert await client.threads.get_state(walked_id, checkpoint_id=checkpoint_id) == past


async def test_a_checkpoint_without_an_id_is_the_latest(client: LangGraphClient, walked_id: str) -> None:
    checkpoint: Any = {"thread_id": walked_id, "checkpoint_ns": ""}
    latest = await client.threads.get_state(walked_id, checkpoint=checkpoint)
    assert latest == await client.threads.get_state(walked_id)


async def test_an_unknown_checkpoint_has_an_empty_state(client: LangGraphClient, walked_id: str) -> None:
    state = await client.threads.get_state(walked_id, checkpoint_id="1f000000-0000-6000-8000-000000000000")
    assert (state["values"], state["next"]) == ({}, [])


async def test_a_task_names_its_subgraphs_checkpoints(client: LangGraphClient, walked_id: str) -> None:
    [task] = (await before_the_subgraph(client, walked_id))["tasks"]
    namespace = f"child:{task['id']}"
    assert task["checkpoint"] == {"thread_id": walked_id, "checkpoint_ns": namespace}
    assert task["state"] is None
    subgraph = await client.threads.get_state(walked_id, checkpoint=task["checkpoint"])
    assert subgraph["values"] == {"text": "x", "log": ["inner x"]}
    assert subgraph["checkpoint"]["checkpoint_ns"] == namespace


async def test_a_subgraphs_state_stands_in_its_task_where_asked_for(
    client: LangGraphClient, walked_id: str
) -> None:
    past = await before_the_subgraph(client, walked_id)
    state: Any = await client.threads.get_state(walked_id, checkpoint=past["checkpoint"], subgraphs=True)
    [task] = state["tasks"]
    assert task["state"]["values"] == {"text": "x", "log": ["inner x"]}


async def test_a_subgraph_that_has_not_begun_is_no_failure(client: LangGraphClient, thread_id: str) -> None:
    await collect(client.runs.stream(thread_id, "sub", input={"text": "x"}, interrupt_before=["child"]))
    state = await client.threads.get_state(thread_id, subgraphs=True)
    assert state["next"] == ["child"]


async def test_the_state_of_a_paused_thread_tells_the_question(
    client: LangGraphClient, thread_id: str
) -> None:
    await collect(client.runs.stream(thread_id, "interrupting", input={"question": "sure?"}))
    state = await client.threads.get_state(thread_id)
    [task] = state["tasks"]
    assert (state["next"], task["name"]) == (["ask"], "ask")
    assert [interrupt["value"] for interrupt in task["interrupts"]] == [{"question": "sure?"}]
    assert state["interrupts"] == task["interrupts"]
    thread = await client.threads.get(thread_id)
    assert thread["status"] == "interrupted"
    assert list(thread["interrupts"]) == [task["id"]]


async def test_the_state_after_a_failure_tells_the_error(client: LangGraphClient, thread_id: str) -> None:
    await collect(client.runs.stream(thread_id, "fails", input={"text": "x"}))
    [task] = (await client.threads.get_state(thread_id))["tasks"]
    assert task["error"] == "ValueError('boom: x')"
    thread: Any = await client.threads.get(thread_id)
    assert (thread["status"], thread["error"]) == ("error", {"error": "ValueError", "message": "boom: x"})


# --- history ---


async def test_the_history_goes_from_child_to_parent(client: LangGraphClient, walked_id: str) -> None:
    history = await client.threads.get_history(walked_id)
    assert [state["next"] for state in history] == [[], ["after"], ["child"], ["__start__"]]
    for state, parent in pairwise(history):
        assert state["parent_checkpoint"] == parent["checkpoint"]
    assert history[-1]["parent_checkpoint"] is None


@pytest.mark.parametrize("form", ["id", "checkpoint", "config"])
async def test_the_history_before_a_checkpoint(client: LangGraphClient, walked_id: str, form: str) -> None:
    history = await client.threads.get_history(walked_id)
    checkpoint = history[1]["checkpoint"]
    forms: dict[str, Any] = {
        "id": checkpoint["checkpoint_id"],
        "checkpoint": checkpoint,
        "config": {"configurable": checkpoint},
    }
    assert await client.threads.get_history(walked_id, before=forms[form]) == history[2:]
    assert await client.threads.get_history(walked_id, before=forms[form], limit=1) == history[2:3]


async def test_the_history_is_filtered_by_metadata(client: LangGraphClient, walked_id: str) -> None:
    history = await client.threads.get_history(walked_id)
    assert await client.threads.get_history(walked_id, metadata={"source": "loop"}) == history[:3]
    assert await client.threads.get_history(walked_id, metadata={"source": "input"}) == history[3:]
    assert await client.threads.get_history(walked_id, metadata={"source": "nope"}) == []


async def test_a_subgraph_has_a_history_of_its_own(client: LangGraphClient, walked_id: str) -> None:
    [task] = (await before_the_subgraph(client, walked_id))["tasks"]
    history = await client.threads.get_history(walked_id, checkpoint=task["checkpoint"])
    assert [state["next"] for state in history] == [[], ["inner"], ["__start__"]]
    assert {state["checkpoint"]["checkpoint_ns"] for state in history} == {
        task["checkpoint"]["checkpoint_ns"]
    }


# --- editing ---


async def test_an_update_writes_as_a_node(client: LangGraphClient, walked_id: str) -> None:
    before = await client.threads.get_state(walked_id)
    written = await client.threads.update_state(walked_id, {"log": ["by hand"]}, as_node="child")
    state: Any = await client.threads.get_state(walked_id)
    assert state["values"]["log"] == ["inner x", "after x", "by hand"]
    assert state["next"] == ["after"]
    assert state["checkpoint"] == written["checkpoint"]
    assert state["parent_checkpoint"] == before["checkpoint"]
    thread: Any = await client.threads.get(walked_id)
    assert (thread["values"], thread["status"]) == (state["values"], "interrupted")


async def test_an_update_without_a_node_is_of_the_last_one(client: LangGraphClient, walked_id: str) -> None:
    await client.threads.update_state(walked_id, {"text": "y"})
    state: Any = await client.threads.get_state(walked_id)
    assert (state["values"]["text"], state["next"]) == ("y", [])


async def test_updates_are_written_one_after_another(client: LangGraphClient, walked_id: str) -> None:
    await client.threads.update_state(walked_id, [{"log": ["one"]}, {"log": ["two"]}], as_node="after")
    state: Any = await client.threads.get_state(walked_id)
    assert state["values"]["log"] == ["inner x", "after x", "one", "two"]


async def test_an_update_may_be_none(client: LangGraphClient, walked_id: str) -> None:
    await client.threads.update_state(walked_id, None, as_node="child")
    state = await client.threads.get_state(walked_id)
    assert state["values"] == {"text": "x", "log": ["inner x", "after x"]}
    assert state["next"] == ["after"]


@pytest.mark.parametrize("form", ["checkpoint", "checkpoint_id"])
async def test_an_update_at_a_checkpoint_forks_there(
    client: LangGraphClient, walked_id: str, form: str
) -> None:
    past = await before_the_subgraph(client, walked_id)
    checkpoint = past["checkpoint"]
    forms: dict[str, Any] = {"checkpoint": checkpoint, "checkpoint_id": checkpoint["checkpoint_id"]}
    await client.threads.update_state(walked_id, {"text": "fork"}, as_node="__start__", **{form: forms[form]})
    state = await client.threads.get_state(walked_id)
    assert state["values"] == {"text": "fork", "log": []}
    assert state["parent_checkpoint"] == checkpoint
    assert len(await client.threads.get_history(walked_id)) == 5


async def test_an_edited_thread_goes_on_from_there(client: LangGraphClient, walked_id: str) -> None:
    await client.threads.update_state(walked_id, {"text": "y", "log": ["by hand"]}, as_node="child")
    await collect(client.runs.stream(walked_id, "sub", input=None))
    thread: Any = await client.threads.get(walked_id)
    assert thread["values"]["log"] == ["inner x", "after x", "by hand", "after y"]


async def test_an_update_as_an_unknown_node_is_refused(client: LangGraphClient, walked_id: str) -> None:
    with pytest.raises(BadRequestError, match="Node nope does not exist"):
        await client.threads.update_state(walked_id, {"text": "y"}, as_node="nope")


async def test_no_update_while_a_run_is_active(
    client: LangGraphClient, thread_id: str, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        stream = client.runs.stream(thread_id, "two_steps", input=folder.input, stream_mode="custom")
        await anext(stream)
        with pytest.raises(ConflictError, match="Thread is already running a task"):
            await client.threads.update_state(thread_id, {"done": ["by hand"]})
        folder.open("gate")
        await collect(stream)
