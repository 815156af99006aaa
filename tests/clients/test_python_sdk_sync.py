from __future__ import annotations

import uuid

import pytest
from langgraph_sdk.client import SyncLangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError

from tests.clients.streams import names, payloads
from tests.runs.api import human


@pytest.fixture
def thread_id(sync_client: SyncLangGraphClient) -> str:
    return sync_client.threads.create()["thread_id"]


def test_assistants(sync_client: SyncLangGraphClient) -> None:
    page = sync_client.assistants.search(graph_id="sub", response_format="object")
    [assistant] = page["assistants"]
    assert page["next"] is None
    assert sync_client.assistants.get(assistant["assistant_id"]) == assistant
    assert sync_client.assistants.get_schemas("sub")["graph_id"] == "sub"
    assert len(sync_client.assistants.get_graph("sub", xray=True)["nodes"]) == 4
    assert list(sync_client.assistants.get_subgraphs("sub")) == ["child"]


def test_threads(sync_client: SyncLangGraphClient, thread_id: str) -> None:
    sync_client.threads.update(thread_id, metadata={"a": 1})
    [found] = sync_client.threads.search(ids=[thread_id])
    assert found == sync_client.threads.get(thread_id)
    assert found["metadata"] == {"a": 1}
    sync_client.threads.copy(thread_id)
    sync_client.threads.delete(thread_id)
    with pytest.raises(NotFoundError, match=f"Thread with ID {thread_id} not found"):
        sync_client.threads.get(thread_id)


def test_state(sync_client: SyncLangGraphClient, thread_id: str) -> None:
    sync_client.runs.create(thread_id, "sub", input={"text": "x"})
    written = sync_client.threads.update_state(thread_id, {"log": ["by hand"]}, as_node="after")
    state = sync_client.threads.get_state(thread_id, checkpoint=written["checkpoint"])
    assert state["values"] == {"text": "x", "log": ["inner x", "after x", "by hand"]}
    past = sync_client.threads.get_history(thread_id, before=state["checkpoint"], limit=1)
    assert past[0]["values"] == {"text": "x", "log": ["inner x", "after x"]}


def test_runs(sync_client: SyncLangGraphClient, thread_id: str) -> None:
    created: list[str] = []
    parts = list(
        sync_client.runs.stream(
            thread_id,
            "echo",
            input=human("hi"),
            stream_mode=["updates", "values"],
            on_run_created=lambda run: created.append(run["run_id"]),
        )
    )
    assert names(parts) == ["metadata", "values", "updates", "values"]
    assert payloads(parts, "values")[-1]["messages"][-1]["content"] == "echo: hi"
    assert created == [payloads(parts, "metadata")[0]["run_id"]]
    assert sync_client.runs.get(thread_id, created[0])["status"] == "success"
    assert [run["run_id"] for run in sync_client.runs.list(thread_id)] == created


def test_errors(sync_client: SyncLangGraphClient, thread_id: str) -> None:
    with pytest.raises(ConflictError, match="already exists"):
        sync_client.threads.create(thread_id=thread_id)
    with pytest.raises(NotFoundError, match="Thread with ID"):
        list(sync_client.runs.stream(str(uuid.uuid4()), "echo", input=human("hi")))
