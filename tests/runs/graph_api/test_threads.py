"""The threads that clients of this API name by strings: ordinary threads of their users."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from tests.runs.engine import at_once
from tests.runs.graph_api.api import call, invoke, lines, new_name, said
from threads.exceptions import ThreadNotFound
from threads.models import Thread
from threads.policy import Access
from threads.querysets import _ids_for

ANN = "ann"
NAMES = ["my-thread-1", "7", "ü ☃", " spaces ", "x" * 255, "../etc", "a\nb"]


@pytest.fixture
def ann(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user(ANN)


@pytest.fixture
def bob(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("bob")


@pytest.fixture
def as_user(test_graphs: None) -> Callable[[User], APIClient]:
    def client(user: User) -> APIClient:
        api = APIClient()
        api.force_authenticate(user)
        return api

    return client


def named(user: User | AnonymousUser, name: str) -> Thread:
    return Thread.objects.find_or_open_named(user, name, Access.RUN)


# Names


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_always_the_same_thread(ann: User, name: str) -> None:
    thread = named(ann, name)
    assert named(ann, name) == thread
    assert (thread.owner, thread.external_id) == (ann, name)
    assert Thread.objects.count() == 1


@pytest.mark.django_db
def test_the_id_is_made_from_owner_and_name(ann: User, bob: User, settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    ids = [named(user, "mine").pk for user in (ann, bob, AnonymousUser())]
    Thread.objects.all().delete()
    assert [named(user, "mine").pk for user in (ann, bob, AnonymousUser())] == ids
    assert len({*ids}) == 3
    assert {one.version for one in ids} == {5}


@pytest.mark.django_db
@pytest.mark.parametrize("write", [str, str.upper, lambda text: text.replace("-", "")])
def test_a_uuid_is_the_threads_own(ann: User, write: Callable[[str], str]) -> None:
    key = uuid.uuid4()
    thread = named(ann, write(str(key)))
    assert (thread.pk, thread.external_id) == (key, write(str(key)))
    assert named(ann, str(key)) == thread


@pytest.mark.django_db
def test_the_uuid_of_a_foreign_thread_is_not_found(ann: User, bob: User) -> None:
    foreign = named(bob, str(uuid.uuid4()))
    with pytest.raises(ThreadNotFound):
        named(ann, str(foreign.pk))
    with pytest.raises(ThreadNotFound):
        Thread.objects.find_named(ann, "mine", Access.RUN)


@pytest.mark.django_db
def test_nobody_can_take_a_name_by_taking_its_id(ann: User, bob: User) -> None:
    taken = Thread.objects.create(id=_ids_for("mine", ann)[0], owner=bob)
    thread = named(ann, "mine")
    assert thread != taken
    assert thread.owner == ann
    assert named(ann, "mine") == thread


@pytest.mark.django_db
def test_who_manages_all_threads_has_names_of_their_own(ann: User, bob: User) -> None:
    theirs = named(bob, "mine")
    ann.user_permissions.add(Permission.objects.get(codename="manage_all_threads"))
    ann = User.objects.get(pk=ann.pk)
    assert named(ann, "mine").owner == ann
    assert named(ann, str(theirs.pk)) == theirs


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["mine", str(uuid.UUID(int=7))])
def test_first_calls_at_once_make_one_thread(ann: User, name: str) -> None:
    threads = at_once(*[partial(named, ann, name)] * 8)
    assert Thread.objects.count() == 1
    assert {*threads} == {Thread.objects.get()}


# Ownership, over HTTP


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["invoke", "stream", "stop"])
def test_a_foreign_thread_does_not_exist(
    as_user: Callable[[User], APIClient], ann: User, bob: User, path: str
) -> None:
    foreign = named(bob, str(uuid.uuid4()))
    body = {**call("hi", str(foreign.pk)), "thread_id": str(foreign.pk)}
    response = as_user(ann).post(f"/v1/graph/{path}", body)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "THREAD_NOT_FOUND")
    assert not foreign.runs.exists()


@pytest.mark.django_db
def test_the_same_name_is_another_thread_for_each_user(
    as_user: Callable[[User], APIClient], ann: User, bob: User
) -> None:
    paths = [
        as_user(user).post("/v1/graph/stream", call("hi", "mine")).headers["Content-Location"]
        for user in (ann, bob, ann)
    ]
    threads = [path.split("/")[2] for path in paths]
    assert threads[0] == threads[2] != threads[1]
    assert {str(thread.pk): thread.owner for thread in Thread.objects.all()} == {
        threads[0]: ann,
        threads[1]: bob,
    }


# The same threads as everywhere


@pytest.mark.django_db
def test_the_admin_finds_a_thread_by_its_name(admin_client: Client, ann: User) -> None:
    thread = named(ann, "my-thread-1")
    page = admin_client.get("/admin/threads/thread/?q=my-thread-1").content.decode()
    assert str(thread.pk) in page
    assert ">my-thread-1</a>" in page


def test_what_was_said_here_is_found_there(client: httpx.Client) -> None:
    response = client.post("/v1/graph/invoke", json=call("hi", new_name()))
    path = response.headers["Content-Location"]
    thread, run = client.get(path.rpartition("/runs/")[0]).json(), client.get(path).json()
    assert [message["content"] for message in thread["values"]["messages"]] == ["hi", "echo: hi"]
    assert (thread["status"], thread["metadata"]["graph_id"]) == ("idle", "echo")
    assert (run["status"], run["kwargs"]["input"]["messages"][0]["content"]) == ("success", "hi")
    state = client.get(f"/threads/{thread['thread_id']}/state").json()
    assert state["metadata"]["run_id"] == run["run_id"]


def test_a_conversation_goes_on_there_and_here_again(client: httpx.Client) -> None:
    thread = new_name()
    response = client.post("/v1/graph/invoke", json=call("one", thread))
    path = response.headers["Content-Location"].rpartition("/")[0]
    body = {"assistant_id": "echo", "input": {"messages": [{"role": "user", "content": "two"}]}}
    assert client.post(path, json=body).json()["status"] == "success"
    asked = [content for role, content in said(invoke(client, "three", thread)) if role == "user"]
    assert asked == ["one", "two", "three"]


@pytest.mark.parametrize("write", [str, str.upper])
def test_a_thread_that_was_made_there_goes_on_here(client: httpx.Client, write: Any) -> None:
    thread_id = client.post("/threads", json={"metadata": {"title": "Mine"}}).json()["thread_id"]
    assert said(invoke(client, "hi", write(thread_id)))[-1] == ("assistant", "echo: hi")
    assert lines(client, "ho", thread_id)[-1]["thread_id"] == thread_id
    found = client.get(f"/threads/{thread_id}").json()
    assert len(found["values"]["messages"]) == 4
    assert found["metadata"]["title"] == "Mine"


@pytest.mark.parametrize("config", [{"thread_id": 7}, {"thread_id": "7"}, {"configurable": {"thread_id": 7}}])
def test_a_thread_is_named_by_a_number_too(client: httpx.Client, config: dict[str, Any]) -> None:
    data = invoke(client, "hi", None, config=config)
    assert data["thread_id"] == "7"
    assert said(data)[-1] == ("assistant", "echo: hi")


def test_the_id_of_a_name_does_not_change() -> None:
    """Not in years: clients name their threads by it."""
    assert str(_ids_for("my-thread-1", None)[0]) == "93942f11-dc5e-52fb-ab2c-584ada721e85"
