from __future__ import annotations

import uuid
from typing import Any

import pytest
from langgraph.types import Command
from pytest_django import Settings
from rest_framework.test import APIClient

from tests.threads import graphs
from tests.threads.running import execute, human
from threads.models import Thread

pytestmark = pytest.mark.django_db

NEVER_RUN: dict[str, Any] = {
    "values": {},
    "next": [],
    "tasks": [],
    "metadata": None,
    "created_at": None,
    "checkpoint": None,
    "parent_checkpoint": None,
    "interrupts": [],
    "checkpoint_id": None,
    "parent_checkpoint_id": None,
}
TASK_KEYS = {"id", "name", "path", "error", "interrupts", "checkpoint", "state", "result"}


@pytest.fixture
def thread() -> Thread:
    return Thread.objects.create()


def state(api: APIClient, thread: Thread, query: str = "") -> dict[str, Any]:
    response = api.get(f"/threads/{thread.pk}/state{query}")
    assert response.status_code == 200, response.content
    return dict(response.json())


def test_a_thread_that_never_ran_has_an_empty_state(api: APIClient, thread: Thread) -> None:
    assert state(api, thread) == NEVER_RUN


def test_metadata_that_name_a_graph_make_no_state(api: APIClient, thread: Thread) -> None:
    thread.patch(metadata={"graph_id": "echo"})
    assert state(api, thread) == NEVER_RUN


@pytest.mark.parametrize("graph_id", [None, 1, ["echo"], {"a": 1}, "gone", ""])
def test_metadata_that_name_no_graph_make_no_state(api: APIClient, thread: Thread, graph_id: Any) -> None:
    thread.patch(metadata={"graph_id": graph_id})
    assert state(api, thread) == NEVER_RUN


def test_it_shows_the_latest_values(api: APIClient, thread: Thread) -> None:
    execute(thread, "echo", human("hi"))
    found = state(api, thread)
    assert [message["content"] for message in found["values"]["messages"]] == ["hi", "echo: hi"]
    assert [message["type"] for message in found["values"]["messages"]] == ["human", "ai"]
    assert (found["next"], found["tasks"], found["interrupts"]) == ([], [], [])


def test_it_names_its_checkpoint_and_the_one_before(api: APIClient, thread: Thread) -> None:
    execute(thread, "echo", human("hi"))
    found = state(api, thread)
    identity = {"thread_id": str(thread.pk), "checkpoint_ns": ""}
    assert found["checkpoint"] == {**identity, "checkpoint_id": found["checkpoint_id"]}
    assert found["parent_checkpoint"] == {**identity, "checkpoint_id": found["parent_checkpoint_id"]}
    assert found["checkpoint_id"] > found["parent_checkpoint_id"]
    assert (found["metadata"]["source"], found["metadata"]["step"]) == ("loop", 1)
    assert found["created_at"].endswith("+00:00")


def test_a_second_run_goes_on_from_the_first(api: APIClient, thread: Thread) -> None:
    for text in ("one", "two"):
        execute(thread, "echo", human(text))
    assert len(state(api, thread)["values"]["messages"]) == 4


def test_a_graph_that_waits_shows_for_whom(api: APIClient, thread: Thread) -> None:
    execute(thread, "interrupting", {"question": "sure?"})
    found = state(api, thread)
    [task] = found["tasks"]
    [interrupt] = found["interrupts"]
    assert found["next"] == ["ask"]
    assert task.keys() == TASK_KEYS
    assert (task["name"], task["path"], task["interrupts"]) == ("ask", ["__pregel_pull", "ask"], [interrupt])
    assert interrupt["value"] == {"question": "sure?"}
    assert isinstance(interrupt["id"], str)


def test_graphs_that_wait_twice_show_both(api: APIClient, thread: Thread) -> None:
    execute(thread, "parallel_interrupts", {})
    found = state(api, thread)
    assert sorted(found["next"]) == ["left", "right"]
    assert sorted(interrupt["value"] for interrupt in found["interrupts"]) == ["left", "right"]


def test_an_answer_ends_the_waiting(api: APIClient, thread: Thread) -> None:
    execute(thread, "interrupting", {"question": "sure?"})
    execute(thread, "interrupting", Command(resume="yes"))
    found = state(api, thread)
    assert (found["values"]["answers"], found["tasks"], found["interrupts"]) == (["yes", "done"], [], [])


def test_a_failed_node_shows_its_error(api: APIClient, thread: Thread) -> None:
    with pytest.raises(ValueError, match="boom"):
        execute(thread, "fails", {"text": "x"})
    [task] = state(api, thread)["tasks"]
    assert task["error"] == "ValueError('boom: x')"


def test_a_graph_made_by_a_factory_has_a_state(api: APIClient, thread: Thread) -> None:
    for graph_id in ("factory", "async_factory"):
        execute(thread, graph_id, {"text": "x"})
        assert state(api, thread)["values"]["log"]


def test_types_of_the_graphs_own_become_json(api: APIClient, thread: Thread, settings: Settings) -> None:
    settings.SKEINO_GRAPHS = {"typed": graphs.typed}
    execute(thread, "typed", {})
    values = state(api, thread)["values"]
    assert values["point"] == {"x": 1, "y": 2}
    assert values["notes"] == [{"text": "note"}]


# Keys that the output schema leaves out


def test_keys_that_the_output_schema_hides_are_hidden(api: APIClient, thread: Thread) -> None:
    execute(thread, "hidden", {"text": "x"})
    response = api.get(f"/threads/{thread.pk}/state")
    assert response.json()["values"] == {"text": "x!"}
    assert "hunter2" not in response.content.decode()


def test_they_are_hidden_while_the_graph_waits(api: APIClient, thread: Thread, settings: Settings) -> None:
    settings.SKEINO_GRAPHS = {"secretive": graphs.secretive}
    execute(thread, "secretive", {"text": "x"})
    response = api.get(f"/threads/{thread.pk}/state")
    assert response.json()["next"] == ["ask"]
    assert "hunter2" not in response.content.decode()


def test_they_are_hidden_when_a_later_node_has_failed(
    api: APIClient, thread: Thread, settings: Settings
) -> None:
    settings.SKEINO_GRAPHS = {"failing": graphs.failing}
    with pytest.raises(ValueError, match="stopped"):
        execute(thread, "failing", {"text": "x"})
    assert "hunter2" not in api.get(f"/threads/{thread.pk}/state").content.decode()


# Subgraphs


@pytest.fixture
def waiting(thread: Thread, settings: Settings) -> Thread:
    """A thread whose graph waits in a subgraph."""
    settings.SKEINO_GRAPHS = {"nested": graphs.nested}
    execute(thread, "nested", {"text": "x"})
    return thread


def test_a_waiting_subgraph_is_named_by_its_checkpoint(api: APIClient, waiting: Thread) -> None:
    [task] = state(api, waiting)["tasks"]
    assert task["state"] is None
    assert task["checkpoint"]["thread_id"] == str(waiting.pk)
    assert task["checkpoint"]["checkpoint_ns"].startswith("child:")


def test_its_state_is_shown_on_request(api: APIClient, waiting: Thread) -> None:
    [task] = state(api, waiting, "?subgraphs=true")["tasks"]
    assert task["checkpoint"] is None
    assert task["state"]["values"] == {"text": "kept"}
    assert task["state"]["next"] == ["ask"]
    assert task["state"]["checkpoint"]["checkpoint_ns"].startswith("child:")


@pytest.mark.parametrize("query", ["", "?subgraphs=true"])
def test_what_its_output_schema_hides_is_hidden(api: APIClient, waiting: Thread, query: str) -> None:
    response = api.get(f"/threads/{waiting.pk}/state{query}")
    assert "hunter2" not in response.content.decode()


@pytest.mark.parametrize("value", ["true", "1", "True"])
def test_a_subgraph_that_has_ended_has_no_state_of_its_own(
    api: APIClient, thread: Thread, value: str
) -> None:
    execute(thread, "sub", {"text": "x"})
    found = state(api, thread, f"?subgraphs={value}")
    assert (found["values"]["log"], found["tasks"]) == (["inner x", "after x"], [])


# Requests that are refused


def test_an_unknown_thread_is_not_found(api: APIClient) -> None:
    missing = uuid.uuid4()
    response = api.get(f"/threads/{missing}/state")
    assert response.status_code == 404
    assert response.json() == {"detail": f"Thread with ID {missing} not found"}


def test_an_id_that_is_no_uuid_is_unprocessable(api: APIClient) -> None:
    assert api.get("/threads/mine/state").status_code == 422


@pytest.mark.parametrize("value", ["perhaps", "2", "%00", "%FF"])
def test_a_choice_that_is_none_is_unprocessable(api: APIClient, thread: Thread, value: str) -> None:
    response = api.get(f"/threads/{thread.pk}/state?subgraphs={value}")
    assert response.status_code == 422
    assert response.json()["detail"].startswith("subgraphs: ")
