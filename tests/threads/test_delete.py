from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from assistants.models import Assistant
from runs.models import Run, RunEvent
from tests.runs.engine import at_once
from tests.threads.running import count_rows, execute, human
from threads.models import Thread

pytestmark = pytest.mark.django_db

NOTHING = {"checkpoints": 0, "checkpoint_blobs": 0, "checkpoint_writes": 0}


def make_thread(owner: User | None = None) -> Thread:
    """A thread with checkpoints, a run and an event."""
    thread = Thread.objects.create(owner=owner)
    execute(thread, "echo", human("hi"))
    run = Run.objects.create(thread=thread, assistant=Assistant.objects.find("echo"), job_id=1)
    RunEvent.objects.create(run=run, seq=1, event="values", data="{}")
    assert min(count_rows(thread.pk).values()) > 0
    return thread


def is_gone(thread: Thread) -> bool:
    runs = Run.objects.filter(thread_id=thread.pk).exists()
    return not runs and not Thread.objects.filter(pk=thread.pk) and count_rows(thread.pk) == NOTHING


def test_it_answers_with_nothing(api: APIClient) -> None:
    response = api.delete(f"/threads/{make_thread().pk}")
    assert (response.status_code, response.content) == (204, b"")


def test_everything_that_belongs_to_the_thread_is_deleted(api: APIClient) -> None:
    thread = make_thread()
    api.delete(f"/threads/{thread.pk}")
    assert is_gone(thread)
    assert not RunEvent.objects.exists()


def test_checkpoints_of_subgraphs_are_deleted(api: APIClient) -> None:
    thread = Thread.objects.create()
    execute(thread, "sub", {"text": "x"})
    api.delete(f"/threads/{thread.pk}")
    assert is_gone(thread)


def test_other_threads_are_left_alone(api: APIClient) -> None:
    thread, other = make_thread(), make_thread()
    before = count_rows(other.pk)
    api.delete(f"/threads/{thread.pk}")
    assert count_rows(other.pk) == before
    assert RunEvent.objects.get().run.thread == other


def test_a_deleted_thread_does_not_exist(api: APIClient) -> None:
    path = f"/threads/{make_thread().pk}"
    api.delete(path)
    for response in (api.get(path), api.delete(path), api.get(f"{path}/state")):
        assert response.status_code == 404


def test_its_id_can_be_given_again_and_nothing_comes_back(api: APIClient) -> None:
    thread = make_thread()
    api.delete(f"/threads/{thread.pk}")
    api.post("/threads", {"thread_id": str(thread.pk), "metadata": {"graph_id": "echo"}})
    assert api.get(f"/threads/{thread.pk}/state").json()["values"] == {}
    assert api.get(f"/threads/{thread.pk}/history").json() == []


def test_an_unknown_thread_is_not_found(api: APIClient) -> None:
    assert api.delete(f"/threads/{uuid.uuid4()}").status_code == 404
    assert api.delete("/threads/mine").status_code == 422


def test_a_foreign_thread_is_left_alone(
    client_of: Callable[[User], APIClient], alice: User, bob: User
) -> None:
    thread = make_thread(bob)
    assert client_of(alice).delete(f"/threads/{thread.pk}").status_code == 404
    assert not is_gone(thread)


def test_many_are_deleted_at_once() -> None:
    threads = [make_thread(), make_thread()]
    kept = make_thread()
    Thread.objects.filter(pk__in=[thread.pk for thread in threads]).delete()
    assert all(is_gone(thread) for thread in threads)
    assert not is_gone(kept)


def test_deleting_none_is_no_error() -> None:
    kept = make_thread()
    Thread.objects.none().delete()
    Thread.objects.filter(pk=uuid.uuid4()).delete()
    assert not is_gone(kept)


def test_with_a_user_go_all_threads_and_what_belongs_to_them(alice: User) -> None:
    thread = make_thread(alice)
    alice.delete()
    assert is_gone(thread)


def test_with_many_users_go_all_their_threads(alice: User, bob: User) -> None:
    threads = [make_thread(alice), make_thread(bob)]
    User.objects.all().delete()
    assert all(is_gone(thread) for thread in threads)


@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_fails_deletes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError

    thread = make_thread()
    monkeypatch.setattr("django.db.models.Model.delete", fail)
    with pytest.raises(RuntimeError):
        thread.delete()
    assert min(count_rows(thread.pk).values()) > 0


@pytest.mark.django_db(transaction=True)
def test_two_deletions_at_once_are_no_error(api: APIClient) -> None:
    thread = make_thread()
    responses = at_once(*[lambda: APIClient().delete(f"/threads/{thread.pk}")] * 4)
    assert {response.status_code for response in responses} <= {204, 404}
    assert is_gone(thread)
