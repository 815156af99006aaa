"""Threads that are shared with groups, to be read, or read and run on."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from tests.runs.engine import at_once
from threads.models import Thread
from threads.policy import Access, ThreadPolicy
from threads.sharing import ThreadShare

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User | None], APIClient]

RUN = {"assistant_id": "echo", "input": {"messages": []}, "after_seconds": 3600}
READING: list[tuple[str, str, Any]] = [
    ("get", "", None),
    ("get", "/state", None),
    ("get", "/history", None),
    ("post", "/history", {}),
    ("post", "/state/checkpoint", {}),
    ("post", "/copy", {}),
    ("get", "/runs", None),
]
RUNNING: list[tuple[str, str, Any]] = [
    ("post", "/runs", RUN),
    ("post", "/state", {"values": {"messages": []}}),
]
MANAGING: list[tuple[str, str, Any]] = [
    ("patch", "", {"metadata": {"a": 1}}),
    ("get", "/shares", None),
    ("post", "/shares", {"group": "Team", "access": "run"}),
    ("delete", "/shares/{group}", None),
    ("delete", "", None),
]


@pytest.fixture
def team(alice: User, bob: User) -> Group:
    group = Group.objects.create(name="Team")
    alice.groups.add(group)
    bob.groups.add(group)
    return group


@pytest.fixture
def thread(alice: User) -> Thread:
    return Thread.objects.create(owner=alice)


def share(thread: Thread, group: Group, access: str) -> None:
    ThreadShare.objects.create(thread=thread, group=group, access=access)


def call(api: APIClient, thread: Thread, method: str, path: str, body: Any) -> int:
    path = path.format(group=Group.objects.get(name="Team").pk)
    return int(getattr(api, method)(f"/threads/{thread.pk}{path}", body).status_code)


# What members may


@pytest.mark.parametrize("access", ["read", "run"])
@pytest.mark.parametrize(("method", "path", "body"), READING)
def test_members_read(
    client_of: ClientOf,
    bob: User,
    team: Group,
    thread: Thread,
    access: str,
    method: str,
    path: str,
    body: Any,
) -> None:
    assert call(client_of(bob), thread, method, path, body) == 404
    share(thread, team, access)
    assert call(client_of(bob), thread, method, path, body) == 200


@pytest.mark.parametrize(("method", "path", "body"), RUNNING)
def test_members_who_may_run_do(
    client_of: ClientOf,
    bob: User,
    team: Group,
    thread: Thread,
    method: str,
    path: str,
    body: Any,
) -> None:
    share(thread, team, "run")
    assert call(client_of(bob), thread, method, path, body) == 200


@pytest.mark.parametrize(("method", "path", "body"), RUNNING)
def test_members_who_may_read_do_not_run(
    client_of: ClientOf,
    bob: User,
    team: Group,
    thread: Thread,
    method: str,
    path: str,
    body: Any,
) -> None:
    share(thread, team, "read")
    assert call(client_of(bob), thread, method, path, body) == 403
    thread.refresh_from_db()
    assert (thread.status, thread.values, thread.runs.count()) == ("idle", None, 0)


@pytest.mark.parametrize("access", ["read", "run"])
@pytest.mark.parametrize(("method", "path", "body"), MANAGING)
def test_members_do_not_manage(
    client_of: ClientOf,
    bob: User,
    team: Group,
    thread: Thread,
    access: str,
    method: str,
    path: str,
    body: Any,
) -> None:
    share(thread, team, access)
    assert call(client_of(bob), thread, method, path, body) == 403
    assert ThreadShare.objects.get().access == access
    assert Thread.objects.get().metadata == {}


@pytest.mark.parametrize(("method", "path", "body"), [*READING, *RUNNING, *MANAGING])
def test_strangers_find_nothing(
    client_of: ClientOf,
    django_user_model: Any,
    team: Group,
    thread: Thread,
    method: str,
    path: str,
    body: Any,
) -> None:
    share(thread, team, "run")
    stranger = django_user_model.objects.create_user("stranger")
    stranger.groups.add(Group.objects.create(name="Others"))
    assert call(client_of(stranger), thread, method, path, body) == 404


def test_a_search_finds_what_is_shared(
    client_of: ClientOf,
    bob: User,
    team: Group,
    thread: Thread,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    own = Thread.objects.create(owner=bob)
    Thread.objects.create(owner=None)
    share(thread, team, "read")
    found = client_of(bob).post("/threads/search", {}).json()
    assert [one["thread_id"] for one in found] == [str(own.pk), str(thread.pk)]
    with django_assert_num_queries(3):  # the user's permissions, their groups' permissions, the threads
        assert Thread.objects.visible_to(bob).count() == 2


def test_what_is_shared_is_found_by_indexes(bob: User, team: Group, thread: Thread) -> None:
    share(thread, team, "read")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = Thread.objects.visible_to(bob).order_by().explain()
    assert "BitmapOr" in plan
    assert "thread_owner_created" in plan


def test_who_leaves_the_group_sees_it_no_more(
    client_of: ClientOf, bob: User, team: Group, thread: Thread
) -> None:
    share(thread, team, "run")
    bob.groups.remove(team)
    assert client_of(bob).get(f"/threads/{thread.pk}").status_code == 404


def test_a_run_is_its_submitters_on_a_thread_of_another(
    client_of: ClientOf, alice: User, bob: User, team: Group, thread: Thread
) -> None:
    share(thread, team, "run")
    client_of(bob).post(f"/threads/{thread.pk}/runs", RUN)
    [run] = thread.runs.all()
    assert (run.user, thread.owner) == (bob, alice)


def test_a_copy_is_not_shared(client_of: ClientOf, bob: User, team: Group, thread: Thread) -> None:
    share(thread, team, "read")
    copy = client_of(bob).post(f"/threads/{thread.pk}/copy").json()["thread_id"]
    assert Thread.objects.get(pk=copy).owner == bob
    assert not ThreadShare.objects.filter(thread=copy).exists()


# How owners share


def test_an_owner_shares_and_ends_it(client_of: ClientOf, alice: User, team: Group, thread: Thread) -> None:
    api, path = client_of(alice), f"/threads/{thread.pk}/shares"
    assert api.get(path).json() == []
    shared = api.post(path, {"group": "Team"}).json()
    assert (shared["group"], shared["group_id"], shared["access"]) == ("Team", team.pk, "read")
    assert api.post(path, {"group": "Team", "access": "run"}).json()["access"] == "run"
    assert api.get(path).json() == [{**shared, "access": "run"}]
    assert api.delete(f"{path}/{team.pk}").status_code == 204
    assert api.delete(f"{path}/{team.pk}").status_code == 404
    assert api.get(path).json() == []


def test_groups_one_is_not_in_are_as_groups_that_are_not_there(
    client_of: ClientOf, alice: User, thread: Thread
) -> None:
    Group.objects.create(name="Board")
    answers = [client_of(alice).post(f"/threads/{thread.pk}/shares", {"group": g}) for g in ("Board", "None")]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].json()["detail"].replace("Board", "None") == answers[1].json()["detail"]


def test_who_may_see_groups_may_share_with_all(client_of: ClientOf, alice: User, thread: Thread) -> None:
    Group.objects.create(name="Board")
    alice.user_permissions.add(Permission.objects.get(codename="view_group"))
    assert client_of(alice).post(f"/threads/{thread.pk}/shares", {"group": "Board"}).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"group": ""}, {"group": None}, {"group": "Team", "access": "manage"}, {"group": ["Team"]}]
)
def test_a_share_that_makes_no_sense_is_422(
    client_of: ClientOf, alice: User, team: Group, thread: Thread, body: Any
) -> None:
    response = client_of(alice).post(f"/threads/{thread.pk}/shares", body)
    assert response.status_code == 422
    assert isinstance(response.json()["detail"], str)


def test_nobody_shares_with_nobody(api: APIClient) -> None:
    thread = Thread.objects.create(owner=None)
    Group.objects.create(name="Team")
    assert api.post(f"/threads/{thread.pk}/shares", {"group": "Team"}).status_code == 422


@pytest.mark.django_db(transaction=True)
def test_sharing_twice_at_once_shares_once(alice: User, team: Group, thread: Thread) -> None:
    def shared() -> ThreadShare:
        return ThreadShare.objects.share(thread, "Team", "run", user=alice)

    assert len({one.pk for one in at_once(*[shared] * 4)}) == 1


# Another rule


class Published(ThreadPolicy):
    """Who is not logged in reads what is marked so."""

    def allowed(self, threads: Any, user: Any, access: Access) -> Any:
        if access == Access.READ and not user.is_authenticated:
            return threads.filter(metadata__contains={"public": True})
        return super().allowed(threads, user, access)


def test_a_project_may_have_a_rule_of_its_own(api: APIClient, settings: Settings, alice: User) -> None:
    settings.SKEINO_THREAD_POLICY = f"{__name__}.Published"
    public = Thread.objects.create(owner=alice, metadata={"public": True})
    Thread.objects.create(owner=alice)
    assert [one["thread_id"] for one in api.post("/threads/search", {}).json()] == [str(public.pk)]
    assert api.get(f"/threads/{public.pk}").status_code == 200
    assert api.delete(f"/threads/{public.pk}").status_code == 403
    assert api.get(f"/threads/{uuid.uuid4()}").status_code == 404
    assert Thread.objects.visible_to(AnonymousUser()).count() == 1


class Closed(ThreadPolicy):
    """What is marked so nobody changes, not even its owner."""

    def allowed(self, threads: Any, user: Any, access: Access) -> Any:
        found = super().allowed(threads, user, access)
        return found if access == Access.READ else found.exclude(metadata__contains={"closed": True})


@pytest.mark.parametrize(("method", "path"), [("delete", ""), ("patch", ""), ("post", "/runs")])
def test_a_rule_may_refuse_owners(
    client_of: ClientOf, alice: User, settings: Settings, method: str, path: str
) -> None:
    settings.SKEINO_THREAD_POLICY = f"{__name__}.Closed"
    closed = Thread.objects.create(owner=alice, metadata={"closed": True})
    api = client_of(alice)
    assert api.get(f"/threads/{closed.pk}").status_code == 200
    body = {"assistant_id": "echo"} if path else {}
    assert getattr(api, method)(f"/threads/{closed.pk}{path}", body).status_code == 403
    assert api.delete(f"/threads/{Thread.objects.create(owner=alice).pk}").status_code == 204


def test_a_rule_may_refuse_those_without_an_account(api: APIClient, settings: Settings) -> None:
    settings.SKEINO_THREAD_POLICY = f"{__name__}.Closed"
    closed = Thread.objects.create(owner=None, metadata={"closed": True})
    assert api.get(f"/threads/{closed.pk}").status_code == 200
    assert api.delete(f"/threads/{closed.pk}").status_code == 403
