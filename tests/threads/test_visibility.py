"""Who may see which thread: one rule for every path under ``/threads``."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from pytest_django import Settings
from rest_framework.test import APIClient

from threads.models import Thread

pytestmark = pytest.mark.django_db

OF_ONE_THREAD = [
    ("get", ""),
    ("patch", ""),
    ("delete", ""),
    ("get", "/state"),
    ("get", "/history"),
    ("post", "/history"),
    ("get", "/runs"),
    ("get", "/runs/01920000-0000-7000-8000-000000000000"),
    ("post", "/runs"),
    ("post", "/runs/stream"),
]
OF_ALL = [("post", "/threads"), ("post", "/threads/search"), ("get", "/assistants/echo")]
BODY = {"assistant_id": "echo", "input": {}}

ClientOf = Callable[[User | None], APIClient]


@pytest.fixture
def threads(alice: User, bob: User) -> dict[str, Thread]:
    """One thread of each owner."""
    owners = {"nobody": None, "alice": alice, "bob": bob}
    return {name: Thread.objects.create(owner=owner) for name, owner in owners.items()}


@pytest.fixture
def supervisor(django_user_model: type[User]) -> User:
    """Not a superuser: one permission alone."""
    user = django_user_model.objects.create_user("sue")
    group = Group.objects.create(name="Supervisors")
    group.permissions.add(Permission.objects.get(codename="view_all_threads"))
    user.groups.add(group)
    return user


def request(api: APIClient, method: str, path: str) -> Any:
    if method == "get":
        return api.get(path)
    return getattr(api, method)(path, BODY)


def seen(api: APIClient, threads: dict[str, Thread]) -> set[str]:
    """Whose threads a search finds, which are the ones that can be read."""
    found = {thread["thread_id"] for thread in api.post("/threads/search", {}).json()}
    names = {name for name, thread in threads.items() if str(thread.pk) in found}
    readable = {name for name, t in threads.items() if api.get(f"/threads/{t.pk}").status_code == 200}
    assert names == readable
    return names


# What is seen


def test_a_user_sees_their_own(client_of: ClientOf, alice: User, threads: dict[str, Thread]) -> None:
    assert seen(client_of(alice), threads) == {"alice"}


def test_without_credentials_those_that_nobody_owns_are_seen(
    api: APIClient, threads: dict[str, Thread]
) -> None:
    assert seen(api, threads) == {"nobody"}


def test_anonymous_access_shows_a_user_no_more(
    client_of: ClientOf, alice: User, threads: dict[str, Thread], settings: Settings
) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    assert seen(client_of(alice), threads) == {"alice"}


def test_with_the_permission_all_are_seen(
    client_of: ClientOf, supervisor: User, threads: dict[str, Thread]
) -> None:
    assert seen(client_of(supervisor), threads) == {"nobody", "alice", "bob"}


def test_a_superuser_sees_all(client_of: ClientOf, admin_user: User, threads: dict[str, Thread]) -> None:
    assert seen(client_of(admin_user), threads) == {"nobody", "alice", "bob"}


def test_being_staff_shows_no_more(client_of: ClientOf, alice: User, threads: dict[str, Thread]) -> None:
    alice.is_staff = True
    alice.user_permissions.set(Permission.objects.exclude(codename__endswith="_all_threads"))
    alice.save()
    assert seen(client_of(alice), threads) == {"alice"}


def test_the_queryset_shows_nothing_without_credentials_where_they_are_needed(
    threads: dict[str, Thread], settings: Settings
) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    assert not Thread.objects.visible_to(AnonymousUser()).exists()


# What is not seen does not exist


@pytest.mark.parametrize(("method", "path"), OF_ONE_THREAD)
@pytest.mark.parametrize("owner", ["nobody", "bob"])
def test_a_foreign_thread_is_as_one_that_is_not_there(
    client_of: ClientOf, alice: User, threads: dict[str, Thread], owner: str, method: str, path: str
) -> None:
    api, foreign, missing = client_of(alice), threads[owner].pk, uuid.uuid4()
    there = request(api, method, f"/threads/{foreign}{path}")
    nowhere = request(api, method, f"/threads/{missing}{path}")
    assert there.status_code == nowhere.status_code == 404
    assert there.content.decode().replace(str(foreign), str(missing)) == nowhere.content.decode()


@pytest.mark.parametrize(("method", "path"), OF_ONE_THREAD)
def test_an_owned_thread_is_not_there_without_credentials(
    api: APIClient, threads: dict[str, Thread], method: str, path: str
) -> None:
    assert request(api, method, f"/threads/{threads['alice'].pk}{path}").status_code == 404
    assert Thread.objects.filter(pk=threads["alice"].pk, status="idle", metadata={}).exists()


@pytest.mark.parametrize("condition", ["ids", "metadata", "values"])
def test_no_condition_finds_a_foreign_thread(
    client_of: ClientOf, alice: User, bob: User, condition: str
) -> None:
    content: dict[str, Any] = {"metadata": {"a": 1}, "values": {"a": 1}}
    foreign = Thread.objects.create(owner=bob, **content)
    body = {**content, "ids": [str(foreign.pk)]}
    assert client_of(alice).post("/threads/search", {condition: body[condition]}).json() == []


def test_a_run_that_creates_its_thread_does_not_take_over_a_foreign_one(
    client_of: ClientOf, alice: User, threads: dict[str, Thread]
) -> None:
    path = f"/threads/{threads['bob'].pk}/runs/stream"
    response = client_of(alice).post(path, {**BODY, "if_not_exists": "create"})
    assert response.status_code == 404
    assert not threads["bob"].runs.exists()


@pytest.mark.parametrize(("method", "path"), OF_ONE_THREAD)
def test_who_sees_all_may_change_nothing(
    client_of: ClientOf, supervisor: User, threads: dict[str, Thread], method: str, path: str
) -> None:
    reading = method == "get" or path == "/history"
    response = request(client_of(supervisor), method, f"/threads/{threads['bob'].pk}{path}")
    assert (response.status_code == 403) == (not reading)
    assert Thread.objects.filter(pk=threads["bob"].pk, status="idle", metadata={}).exists()


def test_who_manages_all_may_do_what_the_owner_may(
    client_of: ClientOf, supervisor: User, threads: dict[str, Thread]
) -> None:
    supervisor.user_permissions.add(Permission.objects.get(codename="manage_all_threads"))
    api, path = client_of(supervisor), f"/threads/{threads['bob'].pk}"
    assert api.patch(path, {"metadata": {"a": 1}}).json()["metadata"] == {"a": 1}
    assert Thread.objects.get(pk=threads["bob"].pk).owner == threads["bob"].owner
    assert api.delete(path).status_code == 204


# Where credentials are needed


@pytest.mark.parametrize(("method", "path"), OF_ONE_THREAD)
def test_without_credentials_no_thread_can_be_used(
    settings: Settings, threads: dict[str, Thread], method: str, path: str
) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    for thread_id in (threads["nobody"].pk, threads["bob"].pk, uuid.uuid4(), "junk"):
        response = request(APIClient(), method, f"/threads/{thread_id}{path}")
        assert response.status_code in (401, 403)
        assert isinstance(response.json()["detail"], str)


@pytest.mark.parametrize(("method", "path"), OF_ALL)
def test_without_credentials_nothing_else_can_be_used(settings: Settings, method: str, path: str) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    assert request(APIClient(), method, path).status_code in (401, 403)


def test_a_user_who_is_locked_out_has_no_credentials(
    client_of: ClientOf, alice: User, threads: dict[str, Thread], settings: Settings
) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    api = client_of(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert api.get(f"/threads/{threads['alice'].pk}").status_code in (401, 403)


def test_debug_lets_everybody_in_unless_told_otherwise(settings: Settings) -> None:
    del settings.SKEINO_ALLOW_ANONYMOUS
    settings.DEBUG = True
    assert APIClient().post("/threads", {}).status_code == 200
    settings.DEBUG = False
    assert APIClient().post("/threads", {}).status_code in (401, 403)


# Pages of other sites


def test_a_session_alone_changes_nothing(alice: User, threads: dict[str, Thread]) -> None:
    """What a page of another site could make a browser send."""
    api = APIClient(enforce_csrf_checks=True)
    api.force_login(alice)
    for content_type in ("text/plain", "application/json", "application/x-www-form-urlencoded"):
        assert api.generic("POST", "/threads", "{}", content_type).status_code == 403
    assert api.delete(f"/threads/{threads['alice'].pk}").status_code == 403
    assert Thread.objects.filter(pk=threads["alice"].pk).exists()
