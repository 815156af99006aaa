from __future__ import annotations

import uuid
from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.runs.engine import at_once
from threads.exceptions import ThreadNotFound
from threads.models import Thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def thread() -> Thread:
    return Thread.objects.create(metadata={"title": "Old", "deep": {"a": 1}})


def patch(api: APIClient, thread: Thread, **metadata: Any) -> dict[str, Any]:
    response = api.patch(f"/threads/{thread.pk}", {"metadata": metadata})
    assert response.status_code == 200, response.content
    return dict(response.json()["metadata"])


def test_metadata_are_merged(api: APIClient, thread: Thread) -> None:
    assert patch(api, thread, colour="red") == {"title": "Old", "deep": {"a": 1}, "colour": "red"}


def test_a_key_that_is_there_is_replaced_as_a_whole(api: APIClient, thread: Thread) -> None:
    assert patch(api, thread, title="New", deep={"b": 2}) == {"title": "New", "deep": {"b": 2}}


def test_null_is_kept_as_a_value(api: APIClient, thread: Thread) -> None:
    assert patch(api, thread, title=None)["title"] is None


def test_what_it_answers_is_what_is_read_later(api: APIClient, thread: Thread) -> None:
    answer = api.patch(f"/threads/{thread.pk}", {"metadata": {"title": "New"}}).json()
    assert api.get(f"/threads/{thread.pk}").json() == answer


def test_the_thread_is_updated_but_not_its_state(api: APIClient, thread: Thread) -> None:
    before = api.get(f"/threads/{thread.pk}").json()
    after = api.patch(f"/threads/{thread.pk}", {"metadata": {"title": "New"}}).json()
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]
    assert after["state_updated_at"] == before["state_updated_at"]


@pytest.mark.parametrize("body", [{}, {"metadata": None}, {"metadata": {}}, {"title": "New"}])
def test_without_metadata_nothing_is_changed(api: APIClient, thread: Thread, body: dict[str, Any]) -> None:
    response = api.patch(f"/threads/{thread.pk}", body)
    assert response.status_code == 200
    assert response.json()["metadata"] == thread.metadata


@pytest.mark.parametrize("key", ["thread_id", "run_id", "cron_id"])
def test_metadata_do_not_say_what_only_the_server_knows(api: APIClient, thread: Thread, key: str) -> None:
    assert patch(api, thread, **{key: "x"}) == thread.metadata


def test_a_client_may_do_without_an_answer(api: APIClient, thread: Thread) -> None:
    body = {"metadata": {"title": "New"}}
    response = api.patch(f"/threads/{thread.pk}", body, headers={"prefer": "return=minimal"})
    assert (response.status_code, response.content) == (204, b"")
    assert Thread.objects.get(pk=thread.pk).metadata["title"] == "New"


def test_other_keys_cannot_be_changed(api: APIClient, thread: Thread) -> None:
    body = {"status": "busy", "values": {"a": 1}, "owner": 1, "thread_id": str(uuid.uuid4())}
    before = api.get(f"/threads/{thread.pk}").json()
    after = api.patch(f"/threads/{thread.pk}", body).json()
    assert {**after, "updated_at": None} == {**before, "updated_at": None}


@pytest.mark.parametrize("metadata", [[], "text", 1, True])
def test_metadata_must_be_an_object(api: APIClient, thread: Thread, metadata: Any) -> None:
    response = api.patch(f"/threads/{thread.pk}", {"metadata": metadata})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("metadata: ")


def test_an_unknown_thread_is_not_found_whatever_the_body(api: APIClient) -> None:
    assert api.patch(f"/threads/{uuid.uuid4()}", {"metadata": []}).status_code == 404
    assert api.patch("/threads/mine", {}).status_code == 422


def test_a_thread_deleted_meanwhile_is_not_found(thread: Thread) -> None:
    Thread.objects.filter(pk=thread.pk).delete()
    with pytest.raises(ThreadNotFound):
        thread.patch(metadata={"title": "New"})


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_none_is_lost(api: APIClient, thread: Thread) -> None:
    at_once(*[partial(patch, APIClient(), thread, **{str(number): number}) for number in range(8)])
    metadata = api.get(f"/threads/{thread.pk}").json()["metadata"]
    assert metadata == thread.metadata | {str(number): number for number in range(8)}
