"""Threads that are made with a state."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from langgraph.types import Send
from rest_framework.test import APIClient

from tests.threads.running import count_rows, execute
from threads.models import Thread
from threads.supersteps import as_command

pytestmark = pytest.mark.django_db


ANSWERED = {"values": {"answers": ["yes"]}, "as_node": "ask"}


def create(api: APIClient, *supersteps: list[dict[str, Any]], **body: Any) -> Any:
    updates = [{"updates": updates} for updates in supersteps]
    return api.post("/threads", {"metadata": {"graph_id": "interrupting"}, "supersteps": updates, **body})


def asked(question: str) -> dict[str, Any]:
    return {"values": {"question": question}, "as_node": "__start__"}


def test_a_thread_is_made_with_a_state(api: APIClient) -> None:
    thread = create(api, [asked("sure?")], [ANSWERED]).json()
    state = api.get(f"/threads/{thread['thread_id']}/state").json()
    assert state["values"] == {"question": "sure?", "answers": ["yes"]}
    assert state["next"] == ["conclude"]


def test_it_is_shown_with_the_thread(api: APIClient) -> None:
    thread = create(api, [asked("sure?")]).json()
    assert (thread["values"]["question"], thread["status"]) == ("sure?", "interrupted")
    assert thread == api.get(f"/threads/{thread['thread_id']}").json()


def test_every_superstep_has_a_checkpoint(api: APIClient) -> None:
    concluded = {"values": {"answers": ["done"]}, "as_node": "conclude"}
    thread = create(api, [asked("sure?")], [ANSWERED], [concluded]).json()
    history = api.get(f"/threads/{thread['thread_id']}/history").json()
    assert [state["values"]["answers"] for state in history] == [["yes", "done"], ["yes"], []]


def test_several_nodes_may_write_in_one(api: APIClient) -> None:
    updates = [{"values": {"answers": [node]}, "as_node": node} for node in ("left", "right")]
    thread = create(api, updates, metadata={"graph_id": "parallel_interrupts"}).json()
    assert sorted(thread["values"]["answers"]) == ["left", "right"]


def test_a_run_goes_on_from_it(api: APIClient) -> None:
    made = create(api, [asked("sure?")], [ANSWERED]).json()
    thread = Thread.objects.get(pk=made["thread_id"])
    assert execute(thread, "interrupting", None)["answers"] == ["yes", "done"]


def test_an_update_may_be_a_command(api: APIClient) -> None:
    command = {"update": {"answers": ["by command"]}, "goto": "conclude"}
    thread = create(api, [{"command": command, "as_node": "ask"}]).json()
    state = api.get(f"/threads/{thread['thread_id']}/state").json()
    assert thread["values"]["answers"] == ["by command"]
    assert "conclude" in state["next"]


@pytest.mark.parametrize("supersteps", [None, []])
def test_without_any_the_thread_has_not_run(api: APIClient, supersteps: Any) -> None:
    thread = api.post("/threads", {"supersteps": supersteps}).json()
    assert (thread["values"], thread["status"]) == (None, "idle")


# What is refused, is refused whole


@pytest.mark.parametrize(
    "update",
    [
        {"values": {"answers": ["x"]}, "as_node": "nobody"},
        {"values": {"answers": 1}, "as_node": "ask"},
        {"values": "text", "as_node": "ask"},
        {"values": [1], "as_node": "ask"},
        {"command": {"goto": {"input": 1}}, "as_node": "ask"},
        {"command": {"update": [1]}, "as_node": "ask"},
        {"command": {"update": [["answers", 1]]}, "as_node": "ask"},
    ],
)
def test_an_update_that_the_graph_does_not_take_makes_no_thread(
    api: APIClient, update: dict[str, Any]
) -> None:
    thread_id = str(uuid.uuid4())
    response = create(api, [asked("sure?")], [update], thread_id=thread_id)
    assert response.status_code in (400, 422), response.content
    assert isinstance(response.json()["detail"], str)
    assert not Thread.objects.filter(pk=thread_id).exists()
    assert not any(count_rows(thread_id).values())


@pytest.mark.parametrize(
    "supersteps",
    [
        "text",
        {"updates": []},
        [1],
        [{}],
        [{"updates": 1}],
        [{"updates": [1]}],
        [{"updates": []}],
        [{"updates": [{"as_node": {}}]}],
        [{"updates": [{"command": "go"}]}],
        [{"updates": [asked("sure?")]}, {"updates": [1]}],
        [{"updates": [asked("sure?"), {"as_node": []}]}],
    ],
)
def test_what_are_no_supersteps_is_refused(api: APIClient, supersteps: Any) -> None:
    response = api.post("/threads", {"metadata": {"graph_id": "interrupting"}, "supersteps": supersteps})
    assert response.status_code in (400, 422)
    assert isinstance(response.json()["detail"], str)
    assert not Thread.objects.exists()


def test_a_graph_that_is_not_served_is_a_bad_request(api: APIClient) -> None:
    response = create(api, [asked("sure?")], metadata={"graph_id": "gone"})
    assert response.status_code == 400
    assert not Thread.objects.exists()


# Commands


@pytest.mark.parametrize(
    ("command", "goto"),
    [
        ({}, []),
        ({"goto": None}, []),
        ({"goto": []}, []),
        ({"goto": "a"}, ["a"]),
        ({"goto": ["a", "b"]}, ["a", "b"]),
    ],
)
def test_a_command_goes_to_one_node_or_several(command: dict[str, Any], goto: list[str]) -> None:
    assert as_command(command).goto == goto


def test_a_node_may_be_sent_an_input_of_its_own() -> None:
    assert as_command({"goto": {"node": "a", "input": {"x": 1}}}).goto == [Send("a", {"x": 1})]
