from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from tests.threads import graphs
from tests.threads.running import execute, human
from threads.models import Thread

pytestmark = pytest.mark.django_db

History = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def thread() -> Thread:
    return Thread.objects.create()


@pytest.fixture
def ran(thread: Thread) -> Thread:
    """A thread with two runs of three checkpoints each."""
    for text in ("one", "two"):
        execute(thread, "echo", human(text))
    return thread


@pytest.fixture(params=["get", "post"])
def history(request: pytest.FixtureRequest, api: APIClient) -> History:
    """The history of a thread, asked for in one way or the other."""

    def ask(thread: Thread, **options: Any) -> list[dict[str, Any]]:
        response = getattr(api, request.param)(f"/threads/{thread.pk}/history", options)
        assert response.status_code == 200, response.content
        return list(response.json())

    return ask


def ids(states: list[dict[str, Any]]) -> list[str]:
    return [state["checkpoint_id"] for state in states]


def test_a_thread_that_never_ran_has_none(history: History, thread: Thread) -> None:
    assert history(thread) == []


def test_a_thread_whose_graph_is_gone_shows_none(history: History, ran: Thread) -> None:
    ran.patch(metadata={"graph_id": "gone"})
    assert history(ran) == []


def test_it_shows_the_newest_first(history: History, ran: Thread) -> None:
    states = history(ran)
    assert [state["metadata"]["step"] for state in states] == [4, 3, 2, 1, 0, -1]
    assert [len(state["values"].get("messages", [])) for state in states] == [4, 3, 2, 2, 1, 0]


def test_each_state_names_the_one_before(history: History, ran: Thread) -> None:
    states = history(ran)
    assert [state["parent_checkpoint_id"] for state in states] == [*ids(states)[1:], None]


def test_the_newest_is_the_threads_state(api: APIClient, history: History, ran: Thread) -> None:
    assert history(ran, limit=1) == [api.get(f"/threads/{ran.pk}/state").json()]


def test_it_shows_ten_unless_told_otherwise(history: History, thread: Thread) -> None:
    for number in range(4):
        execute(thread, "echo", human(str(number)))
    assert len(history(thread)) == 10
    assert len(history(thread, limit=11)) == 11
    assert len(history(thread, limit=1000)) == 12


def test_it_shows_what_each_step_did_and_what_was_next(history: History, ran: Thread) -> None:
    after, before, start = history(ran, limit=3)
    assert (after["next"], before["next"], start["next"]) == ([], ["node"], ["__start__"])
    assert before["tasks"][0]["result"]["messages"][0]["content"] == "echo: two"


def test_other_threads_are_left_out(history: History, ran: Thread) -> None:
    other = Thread.objects.create()
    execute(other, "echo", human("three"))
    assert len(history(other)) == 3
    assert {state["checkpoint"]["thread_id"] for state in history(ran)} == {str(ran.pk)}


def test_checkpoints_of_subgraphs_are_left_out(history: History, thread: Thread) -> None:
    execute(thread, "sub", {"text": "x"})
    assert [state["checkpoint"]["checkpoint_ns"] for state in history(thread)] == [""] * 4


def test_keys_that_the_output_schema_hides_are_hidden(api: APIClient, thread: Thread) -> None:
    execute(thread, "hidden", {"text": "x"})
    response = api.get(f"/threads/{thread.pk}/history")
    assert [state["values"] for state in response.json()] == [{"text": "x!"}, {"text": "x"}, {}]
    assert "hunter2" not in response.content.decode()


def test_they_are_hidden_in_the_history_of_subgraphs(
    api: APIClient, thread: Thread, settings: Settings
) -> None:
    settings.SKEINO_GRAPHS = {"nested": graphs.nested}
    execute(thread, "nested", {"text": "x"})
    assert "hunter2" not in api.get(f"/threads/{thread.pk}/history").content.decode()


# Where it begins


def test_it_begins_after_a_checkpoint_named_by_its_id(history: History, ran: Thread) -> None:
    states = history(ran)
    assert history(ran, before=states[1]["checkpoint_id"]) == states[2:]
    assert history(ran, before=states[1]["checkpoint_id"], limit=2) == states[2:4]
    assert history(ran, before=states[-1]["checkpoint_id"]) == []


def test_it_begins_after_a_checkpoint_given_as_clients_hold_it(api: APIClient, ran: Thread) -> None:
    states = api.get(f"/threads/{ran.pk}/history").json()
    checkpoint = states[1]["checkpoint"]
    forms = [checkpoint, {"configurable": checkpoint}, {"checkpoint_id": checkpoint["checkpoint_id"]}]
    for before in forms:
        response = api.post(f"/threads/{ran.pk}/history", {"before": before})
        assert ids(response.json()) == ids(states[2:])


def test_null_is_no_beginning(api: APIClient, ran: Thread) -> None:
    response = api.post(f"/threads/{ran.pk}/history", {"before": None, "metadata": None})
    assert len(response.json()) == 6


@pytest.mark.parametrize(
    "before",
    [
        1,
        True,
        [],
        ["1ef"],
        {},
        {"configurable": {}},
        {"configurable": "1ef"},
        {"configurable": ["1ef"]},
        {"configurable": {"checkpoint_id": 1}},
        {"checkpoint_id": None},
        {"checkpoint_id": {"a": 1}},
    ],
)
def test_a_beginning_that_names_no_checkpoint_is_unprocessable(
    api: APIClient, ran: Thread, before: Any
) -> None:
    response = api.post(f"/threads/{ran.pk}/history", {"before": before})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("before: ")


@pytest.mark.parametrize("before", ["nonsense", "'--", "%", "x" * 10_000])
def test_a_beginning_that_is_no_checkpoint_is_no_error(history: History, ran: Thread, before: str) -> None:
    assert all(state in history(ran) for state in history(ran, before=before))


# Conditions


def test_it_finds_by_metadata(api: APIClient, ran: Thread) -> None:
    response = api.post(f"/threads/{ran.pk}/history", {"metadata": {"source": "input"}})
    assert [state["metadata"]["step"] for state in response.json()] == [2, -1]


def test_conditions_hold_before_the_page_is_cut(api: APIClient, ran: Thread) -> None:
    response = api.post(f"/threads/{ran.pk}/history", {"metadata": {"step": -1}, "limit": 1})
    assert [state["metadata"]["step"] for state in response.json()] == [-1]


def test_unknown_keys_are_ignored(history: History, ran: Thread) -> None:
    assert len(history(ran, surprise="1", checkpointNs="x")) == 6


@pytest.mark.parametrize(
    ("field", "value"), [("limit", 0), ("limit", 1001), ("limit", -1), ("limit", "many"), ("limit", "1e400")]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_wrong_value_is_unprocessable_and_named(
    api: APIClient, thread: Thread, method: str, field: str, value: Any
) -> None:
    response = getattr(api, method)(f"/threads/{thread.pk}/history", {field: value})
    assert response.status_code == 422
    assert response.json()["detail"].startswith(f"{field}: ")


@pytest.mark.parametrize("query", ["before=%00", "limit=%00", "before=a&before=%00"])
def test_null_characters_in_a_query_are_unprocessable(api: APIClient, thread: Thread, query: str) -> None:
    assert api.get(f"/threads/{thread.pk}/history?{query}").status_code == 422


@pytest.mark.parametrize("metadata", [[], "text", 1])
def test_metadata_must_be_an_object(api: APIClient, thread: Thread, metadata: Any) -> None:
    response = api.post(f"/threads/{thread.pk}/history", {"metadata": metadata})
    assert response.status_code == 422


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_thread_is_not_found(api: APIClient, method: str) -> None:
    missing = uuid.uuid4()
    response = getattr(api, method)(f"/threads/{missing}/history", {})
    assert response.status_code == 404
    assert response.json() == {"detail": f"Thread with ID {missing} not found"}
    assert getattr(api, method)("/threads/mine/history", {}).status_code == 422
