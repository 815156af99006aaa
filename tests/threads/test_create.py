from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings
from rest_framework.test import APIClient

from tests.runs.engine import at_once
from threads.models import Thread

pytestmark = pytest.mark.django_db

KEYS = {
    *("thread_id", "created_at", "updated_at", "state_updated_at"),
    *("metadata", "status", "config", "values", "error", "interrupts"),
}


def test_it_creates_a_thread_that_has_not_run(api: APIClient) -> None:
    response = api.post("/threads", {})
    thread = response.json()
    assert response.status_code == 200
    assert thread.keys() >= KEYS
    assert (thread["status"], thread["metadata"], thread["config"]) == ("idle", {}, {})
    assert (thread["values"], thread["error"], thread["interrupts"]) == (None, None, {})


def test_it_answers_with_what_is_read_later(api: APIClient) -> None:
    thread = api.post("/threads", {"metadata": {"title": "Mine"}}).json()
    assert api.get(f"/threads/{thread['thread_id']}").json() == thread


def test_new_ids_follow_each_other(api: APIClient) -> None:
    ids = [uuid.UUID(api.post("/threads", {}).json()["thread_id"]) for _ in range(3)]
    assert ids == sorted(ids)
    assert {key.version for key in ids} == {7}


def test_times_have_microseconds_and_an_offset(api: APIClient) -> None:
    thread = api.post("/threads", {}).json()
    for key in ("created_at", "updated_at", "state_updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", thread[key])


def test_the_client_may_choose_the_id(api: APIClient) -> None:
    mine = str(uuid.uuid4())
    assert api.post("/threads", {"thread_id": mine}).json()["thread_id"] == mine


def test_metadata_are_kept_as_they_come(api: APIClient) -> None:
    metadata = {"a": None, "b": [1, 2.5, {"c": True}], "ü": "💡\u2028", "": 2**53}
    response = api.post("/threads", {"metadata": metadata})
    assert api.get(f"/threads/{response.json()['thread_id']}").json()["metadata"] == metadata


@pytest.mark.parametrize("key", ["thread_id", "run_id", "cron_id"])
def test_metadata_do_not_say_what_only_the_server_knows(api: APIClient, key: str) -> None:
    assert api.post("/threads", {"metadata": {key: "x", "a": 1}}).json()["metadata"] == {"a": 1}


def test_metadata_may_name_the_graph(api: APIClient) -> None:
    metadata = {"graph_id": "echo", "assistant_id": "x"}
    assert api.post("/threads", {"metadata": metadata}).json()["metadata"] == metadata


def test_null_is_as_if_it_were_left_out(api: APIClient) -> None:
    body = dict.fromkeys(["thread_id", "metadata", "if_exists", "ttl", "supersteps"])
    assert api.post("/threads", body).status_code == 200


def test_unknown_keys_are_ignored(api: APIClient) -> None:
    response = api.post("/threads", {"threadId": "x", "status": "busy", "values": {"a": 1}, "owner": 1})
    assert (response.json()["status"], response.json()["values"]) == ("idle", None)


def test_it_belongs_to_who_made_it(client_of: Callable[[User], APIClient], alice: User) -> None:
    thread_id = client_of(alice).post("/threads", {}).json()["thread_id"]
    assert Thread.objects.get(pk=thread_id).owner == alice


def test_without_credentials_it_belongs_to_nobody(api: APIClient) -> None:
    thread_id = api.post("/threads", {}).json()["thread_id"]
    assert Thread.objects.get(pk=thread_id).owner is None


def test_without_credentials_it_is_refused_where_they_are_needed(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    assert APIClient().post("/threads", {}).status_code in (401, 403)
    assert not Thread.objects.exists()


# An id that is there already


def test_an_id_is_given_once(api: APIClient) -> None:
    mine = str(uuid.uuid4())
    api.post("/threads", {"thread_id": mine})
    response = api.post("/threads", {"thread_id": mine, "if_exists": "raise"})
    assert response.status_code == 409
    assert response.json() == {"detail": f"Thread with ID {mine} already exists"}


def test_the_one_that_is_there_is_returned_on_request(api: APIClient) -> None:
    body = {"thread_id": str(uuid.uuid4()), "metadata": {"title": "First"}}
    first = api.post("/threads", body)
    second = api.post("/threads", {**body, "metadata": {"title": "Second"}, "if_exists": "do_nothing"})
    assert second.status_code == 200
    assert second.json() == first.json()


def test_a_thread_is_created_when_none_is_there(api: APIClient) -> None:
    body = {"thread_id": str(uuid.uuid4()), "if_exists": "do_nothing"}
    assert api.post("/threads", body).json()["thread_id"] == body["thread_id"]


@pytest.mark.parametrize("if_exists", ["raise", "do_nothing"])
def test_a_foreign_thread_is_not_handed_out(
    client_of: Callable[[User], APIClient], alice: User, bob: User, if_exists: str
) -> None:
    foreign = Thread.objects.create(owner=bob, metadata={"secret": "bob's"})
    response = client_of(alice).post("/threads", {"thread_id": str(foreign.pk), "if_exists": if_exists})
    assert response.status_code == 409
    assert "bob's" not in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_told_that_the_other_was_first(api: APIClient) -> None:
    body = {"thread_id": str(uuid.uuid4())}
    responses = at_once(*[lambda: APIClient().post("/threads", body)] * 2)
    assert sorted(response.status_code for response in responses) == [200, 409]


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_all_get_the_same_thread_on_request(api: APIClient) -> None:
    body = {"thread_id": str(uuid.uuid4()), "if_exists": "do_nothing"}
    responses = at_once(*[lambda: APIClient().post("/threads", body).json()] * 6)
    assert len({response["created_at"] for response in responses}) == 1


# Bodies that are refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("thread_id", "mine"),
        ("thread_id", ""),
        ("thread_id", [str(uuid.uuid4())]),
        ("thread_id", 2**200),
        ("thread_id", -1),
        ("thread_id", 1.5),
        ("metadata", []),
        ("metadata", "text"),
        ("metadata", 1),
        ("if_exists", "perhaps"),
        ("if_exists", ["raise"]),
    ],
)
def test_a_wrong_value_is_unprocessable_and_named(api: APIClient, field: str, value: Any) -> None:
    response = api.post("/threads", {field: value})
    assert response.status_code == 422
    assert response.json()["detail"].startswith(f"{field}: ")
    assert list(response.json()["errors"]) == [field]


def test_what_is_wrong_with_an_id_is_told_in_words(api: APIClient) -> None:
    response = api.post("/threads", {"thread_id": "mine"})
    assert "Invalid thread ID: must be a UUID" in response.json()["detail"]


def test_no_body_is_an_empty_one(api: APIClient) -> None:
    response = api.post("/threads")
    assert response.status_code == 200
    assert response.json()["metadata"] == {}
