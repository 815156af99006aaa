from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from langgraph.types import Command
from pytest_django import Settings
from rest_framework.test import APIClient

from tests.threads import graphs
from tests.threads.running import count_rows, execute, human
from threads.exceptions import ThreadNotFound
from threads.models import Thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def ran() -> Thread:
    """A thread with two runs of three checkpoints each."""
    thread = Thread.objects.create(metadata={"title": "Mine"}, values={"text": "x"}, config={"tags": ["a"]})
    for text in ("one", "two"):
        execute(thread, "echo", human(text))
    thread.refresh_from_db()
    return thread


def copy(api: APIClient, thread: Thread, query: str = "") -> Thread:
    response = api.post(f"/threads/{thread.pk}/copy{query}")
    assert response.status_code == 200, response.content
    return Thread.objects.get(pk=response.json()["thread_id"])


def history(api: APIClient, thread: Thread) -> list[dict[str, Any]]:
    return list(api.get(f"/threads/{thread.pk}/history").json())


def test_it_is_another_thread_that_says_where_it_comes_from(api: APIClient, ran: Thread) -> None:
    target = copy(api, ran)
    assert target.pk != ran.pk
    assert target.metadata == {**ran.metadata, "forked_from": str(ran.pk)}
    assert (target.values, target.config, target.status) == (ran.values, ran.config, "idle")


def test_it_has_the_latest_state(api: APIClient, ran: Thread) -> None:
    source, target = history(api, ran), history(api, copy(api, ran))
    assert len(target) == 1
    assert (target[0]["values"], target[0]["next"]) == (source[0]["values"], source[0]["next"])
    assert (target[0]["checkpoint_id"], target[0]["parent_checkpoint"]) == (source[0]["checkpoint_id"], None)


@pytest.mark.parametrize("query", ["?history=true", "?history=1"])
def test_it_has_the_whole_history_on_request(api: APIClient, ran: Thread, query: str) -> None:
    source, target = history(api, ran), history(api, copy(api, ran, query))
    assert [state["checkpoint_id"] for state in target] == [state["checkpoint_id"] for state in source]
    assert [state["values"] for state in target] == [state["values"] for state in source]


def test_a_setting_says_what_is_usual(api: APIClient, ran: Thread, settings: Settings) -> None:
    settings.SKEINO_COPY = "history"
    assert len(history(api, copy(api, ran))) == 6
    assert len(history(api, copy(api, ran, "?history=false"))) == 1


@pytest.mark.parametrize("query", ["", "?history=true"])
def test_the_two_go_their_own_ways(api: APIClient, ran: Thread, query: str) -> None:
    target = copy(api, ran, query)
    execute(target, "echo", human("three"))
    assert len(history(api, ran)[0]["values"]["messages"]) == 4
    assert len(history(api, target)[0]["values"]["messages"]) == 6
    api.delete(f"/threads/{ran.pk}")
    assert len(history(api, target)[0]["values"]["messages"]) == 6


@pytest.mark.parametrize("query", ["", "?history=true"])
@pytest.mark.parametrize("graph_id", ["interrupting", "parallel_interrupts"])
def test_a_copy_of_a_waiting_thread_waits_too(api: APIClient, graph_id: str, query: str) -> None:
    thread = Thread.objects.create(status="interrupted")
    execute(thread, graph_id, {"question": "sure?"})
    target = copy(api, thread, query)
    [source_state, target_state] = [api.get(f"/threads/{t.pk}/state").json() for t in (thread, target)]
    assert target.status == "interrupted"
    assert target_state["interrupts"] == source_state["interrupts"]
    answers = {interrupt["id"]: "yes" for interrupt in target_state["interrupts"]}
    assert "yes" in execute(target, graph_id, Command(resume=answers))["answers"]


@pytest.mark.parametrize("query", ["", "?history=true"])
def test_what_waits_in_a_subgraph_is_copied_too(api: APIClient, settings: Settings, query: str) -> None:
    settings.SKEINO_GRAPHS = {"nested": graphs.nested}
    thread = Thread.objects.create()
    execute(thread, "nested", {"text": "x"})
    assert execute(copy(api, thread, query), "nested", Command(resume="yes")) == {"text": "yes"}


def test_a_thread_that_never_ran_can_be_copied(api: APIClient) -> None:
    target = copy(api, Thread.objects.create(metadata={"title": "Empty"}))
    assert target.metadata["title"] == "Empty"
    assert not any(count_rows(target.pk).values())


def test_a_copy_of_a_busy_thread_is_not_busy(api: APIClient) -> None:
    assert copy(api, Thread.objects.create(status="busy")).status == "idle"


def test_neither_name_nor_end_is_copied(api: APIClient) -> None:
    thread = Thread.objects.create(external_id="mine", ttl_minutes=5)
    target = copy(api, thread)
    assert (target.external_id, target.runs.count()) == (None, 0)


def test_it_belongs_to_who_made_it(
    client_of: Callable[[User], APIClient], alice: User, admin_user: User
) -> None:
    thread = Thread.objects.create(owner=alice)
    assert copy(client_of(alice), thread).owner == alice
    assert copy(client_of(admin_user), thread).owner == admin_user


def test_a_body_is_not_read(api: APIClient, ran: Thread) -> None:
    for raw in ("", "{}", "nonsense"):
        assert api.generic("POST", f"/threads/{ran.pk}/copy", raw, "application/json").status_code == 200


def test_an_unknown_thread_is_not_found(api: APIClient) -> None:
    missing = uuid.uuid4()
    response = api.post(f"/threads/{missing}/copy")
    assert response.status_code == 404
    assert response.json() == {"detail": f"Thread with ID {missing} not found"}
    assert api.post("/threads/mine/copy").status_code == 422


@pytest.mark.parametrize("history", [False, True])
def test_a_thread_deleted_meanwhile_is_not_found(history: bool) -> None:
    thread = Thread.objects.create()
    Thread.objects.filter(pk=thread.pk).delete()
    with pytest.raises(ThreadNotFound):
        thread.copy(AnonymousUser(), history=history)


def test_a_foreign_thread_is_not_found(
    client_of: Callable[[User], APIClient], alice: User, bob: User
) -> None:
    assert client_of(alice).post(f"/threads/{Thread.objects.create(owner=bob).pk}/copy").status_code == 404


def test_a_choice_that_is_none_is_unprocessable(api: APIClient, ran: Thread) -> None:
    assert api.post(f"/threads/{ran.pk}/copy?history=perhaps").status_code == 422
