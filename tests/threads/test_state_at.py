"""The state at a checkpoint: by its id in the path, or by all that names it in the body."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from tests.threads import graphs
from tests.threads.running import execute, human
from threads.models import Thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def thread() -> Thread:
    return Thread.objects.create()


@pytest.fixture
def ran(thread: Thread) -> Thread:
    """A thread with two runs of three checkpoints each."""
    for text in ("one", "two"):
        execute(thread, "echo", human(text))
    return thread


@pytest.fixture
def waiting(thread: Thread, settings: Settings) -> Thread:
    """A thread whose graph waits in a subgraph that keeps a secret of its own."""
    settings.SKEINO_GRAPHS = {"discreet": graphs.discreet}
    execute(thread, "discreet", {"text": "x"})
    return thread


def history(api: APIClient, thread: Thread) -> list[dict[str, Any]]:
    return list(api.get(f"/threads/{thread.pk}/history").json())


def at(api: APIClient, thread: Thread, **body: Any) -> dict[str, Any]:
    response = api.post(f"/threads/{thread.pk}/state/checkpoint", body)
    assert response.status_code == 200, response.content
    return dict(response.json())


def inner_checkpoint(api: APIClient, thread: Thread) -> dict[str, Any]:
    [task] = api.get(f"/threads/{thread.pk}/state").json()["tasks"]
    return dict(task["checkpoint"])


# In the path


def test_every_state_of_the_history_is_found_by_its_id(api: APIClient, ran: Thread) -> None:
    for state in history(api, ran):
        found = api.get(f"/threads/{ran.pk}/state/{state['checkpoint_id']}").json()
        assert (found["values"], found["next"]) == (state["values"], state["next"])
        assert found["checkpoint_id"] == state["checkpoint_id"]


def test_at_an_unknown_checkpoint_there_is_nothing(api: APIClient, ran: Thread) -> None:
    missing = str(uuid.uuid4())
    found = api.get(f"/threads/{ran.pk}/state/{missing}").json()
    assert (found["values"], found["next"], found["created_at"]) == ({}, [], None)
    assert found["checkpoint_id"] == found["checkpoint"]["checkpoint_id"] == missing


def test_a_checkpoint_of_another_thread_is_not_there(api: APIClient, ran: Thread) -> None:
    other = Thread.objects.create(metadata={"graph_id": "echo"})
    checkpoint_id = history(api, ran)[0]["checkpoint_id"]
    assert api.get(f"/threads/{other.pk}/state/{checkpoint_id}").json()["values"] == {}


@pytest.mark.parametrize(
    "junk", ["nonsense", "%00", "a%00b", "%FF", "%ED%A0%80", "'--", "x" * 5000, "%2E%2E"]
)
def test_junk_is_no_server_error(api: APIClient, ran: Thread, junk: str) -> None:
    assert api.get(f"/threads/{ran.pk}/state/{junk}").status_code in (200, 404, 422)


# In the body


def test_it_takes_the_checkpoint_as_clients_hold_it(api: APIClient, ran: Thread) -> None:
    for state in history(api, ran):
        assert at(api, ran, checkpoint=state["checkpoint"])["values"] == state["values"]
        assert at(api, ran, **state["checkpoint"])["values"] == state["values"]


@pytest.mark.parametrize(
    "body", [{}, {"checkpoint": None}, {"checkpoint": {}}, {"checkpoint": {"checkpoint_id": None}}]
)
def test_without_an_id_it_is_the_latest(api: APIClient, ran: Thread, body: dict[str, Any]) -> None:
    assert at(api, ran, **body) == api.get(f"/threads/{ran.pk}/state").json()


def test_the_thread_is_the_one_in_the_path(api: APIClient, ran: Thread) -> None:
    other = Thread.objects.create(metadata={"graph_id": "echo"})
    stolen = history(api, ran)[0]["checkpoint"]
    assert at(api, other, checkpoint=stolen)["values"] == {}
    assert at(api, other, checkpoint={"thread_id": str(ran.pk)})["checkpoint"] is None


def test_a_subgraph_is_named_by_its_namespace(api: APIClient, waiting: Thread) -> None:
    found = at(api, waiting, checkpoint=inner_checkpoint(api, waiting))
    assert (found["values"], found["next"]) == ({"text": "x"}, ["confirm"])
    assert found["checkpoint"]["checkpoint_ns"].startswith("child:")


def test_what_a_subgraph_keeps_to_itself_is_not_shown(api: APIClient, waiting: Thread) -> None:
    checkpoint = inner_checkpoint(api, waiting)
    responses = [
        api.post(f"/threads/{waiting.pk}/state/checkpoint", {"checkpoint": checkpoint}),
        api.post(f"/threads/{waiting.pk}/history", {"checkpoint": checkpoint}),
        api.get(f"/threads/{waiting.pk}/state?subgraphs=true"),
    ]
    assert [response.status_code for response in responses] == [200, 200, 200]
    assert not any("0000-pin" in response.content.decode() for response in responses)


def test_the_history_of_a_subgraph_is_shown_on_request(api: APIClient, waiting: Thread) -> None:
    checkpoint_ns = inner_checkpoint(api, waiting)["checkpoint_ns"]
    body = {"checkpoint": {"checkpoint_ns": checkpoint_ns}}
    states = api.post(f"/threads/{waiting.pk}/history", body).json()
    assert {state["checkpoint"]["checkpoint_ns"] for state in states} == {checkpoint_ns}
    assert [state["next"] for state in states] == [["confirm"], ["choose_pin"], ["__start__"]]


@pytest.mark.parametrize("namespace", ["nobody", "nobody:1", "node", "node:1", "|", "child:1|child:2"])
@pytest.mark.parametrize("path", ["state/checkpoint", "history"])
def test_a_namespace_that_is_not_there_is_no_server_error(
    api: APIClient, ran: Thread, namespace: str, path: str
) -> None:
    body = {"checkpoint": {"checkpoint_ns": namespace}}
    assert api.post(f"/threads/{ran.pk}/{path}", body).status_code in (200, 400, 404, 422)


@pytest.mark.parametrize("key", ["nobody", "", "child"])
@pytest.mark.parametrize("value", ["x", 1, None, [], {"a": 1}])
def test_a_map_of_checkpoints_is_no_server_error(
    api: APIClient, waiting: Thread, key: str, value: Any
) -> None:
    checkpoint = {**inner_checkpoint(api, waiting), "checkpoint_map": {key: value}}
    response = api.post(f"/threads/{waiting.pk}/state/checkpoint", {"checkpoint": checkpoint})
    assert response.status_code in (200, 400, 422)


@pytest.mark.parametrize(
    "body",
    [
        {"checkpoint": "1ef"},
        {"checkpoint": []},
        {"checkpoint": {"checkpoint_id": {"a": 1}}},
        {"checkpoint": {"checkpoint_ns": ["a"]}},
        {"checkpoint": {"checkpoint_map": "a"}},
        {"checkpoint_id": []},
        {"subgraphs": "perhaps"},
    ],
)
def test_what_names_no_checkpoint_is_unprocessable(api: APIClient, ran: Thread, body: dict[str, Any]) -> None:
    response = api.post(f"/threads/{ran.pk}/state/checkpoint", body)
    assert response.status_code == 422
    assert isinstance(response.json()["detail"], str)


def test_an_unknown_thread_is_not_found(api: APIClient) -> None:
    missing = uuid.uuid4()
    assert api.get(f"/threads/{missing}/state/1ef").status_code == 404
    assert api.post(f"/threads/{missing}/state/checkpoint", {}).status_code == 404
    assert api.post("/threads/mine/state/checkpoint", {}).status_code == 422
