"""Django's permissions on the API, where SKEINO_MODEL_PERMISSIONS is on."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission, User
from pytest_django import Settings

from tests.live import TEST_GRAPHS

if TYPE_CHECKING:
    from rest_framework.test import APIClient

    from runs.models import Run

pytestmark = pytest.mark.django_db

RUN = {"assistant_id": "echo", "input": {"messages": []}, "after_seconds": 3600}
CONTENT = "threads.view_thread_content"
VIEW_RUN = ["runs.view_run", CONTENT]

# Requests, and the permissions they take.
TABLE: list[tuple[str, str, Any, list[str]]] = [
    ("post", "/assistants/search", {}, ["assistants.view_assistant"]),
    ("get", "/assistants/echo", None, ["assistants.view_assistant"]),
    ("get", "/assistants/echo/schemas", None, ["assistants.view_assistant"]),
    ("post", "/threads", {}, ["threads.add_thread"]),
    ("post", "/threads/search", {}, ["threads.view_thread", CONTENT]),
    ("get", "/threads/{thread}", None, ["threads.view_thread", CONTENT]),
    ("patch", "/threads/{thread}", {}, ["threads.change_thread", CONTENT]),
    ("delete", "/threads/{thread}", None, ["threads.delete_thread"]),
    ("post", "/threads/{thread}/copy", None, ["threads.add_thread", CONTENT]),
    ("get", "/threads/{thread}/state", None, [CONTENT]),
    ("post", "/threads/{thread}/history", {}, [CONTENT]),
    ("get", "/threads/{thread}/shares", None, ["threads.share_thread"]),
    ("get", "/threads/{thread}/runs", None, VIEW_RUN),
    ("get", "/threads/{thread}/runs/{run}", None, VIEW_RUN),
    ("post", "/threads/{thread}/runs", RUN, ["runs.add_run"]),
    ("post", "/threads/{thread}/runs/{run}/cancel", None, ["runs.cancel_run"]),
    ("delete", "/threads/{thread}/runs/{run}", None, ["runs.delete_run"]),
    ("post", "/runs", RUN, ["runs.add_run"]),
    ("post", "/runs/batch", [RUN], ["runs.add_run"]),
    ("get", "/runs/{run}", None, VIEW_RUN),
]


@pytest.fixture(autouse=True)
def model_permissions(settings: Settings) -> None:
    settings.SKEINO_LANGGRAPH_JSON = TEST_GRAPHS
    settings.SKEINO_MODEL_PERMISSIONS = True
    settings.SKEINO_ALLOW_ANONYMOUS = True


@pytest.fixture
def alice() -> User:
    return User.objects.create(username="alice")


@pytest.fixture
def run(alice: User) -> Run:
    """Alice's pending run, on her thread."""
    from tests.runs.engine import submit
    from threads.models import Thread

    return submit(thread=Thread.objects.open(user=alice), user=alice)


def give(user: User, *names: str) -> None:
    """These permissions and no other."""
    codenames = [name.partition(".")[2] for name in names]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))


def client(user: User | None) -> APIClient:
    from rest_framework.test import APIClient

    api = APIClient()
    if user is not None:
        api.force_login(user)
    return api


def call(user: User | None, run: Run, method: str, path: str, body: Any) -> int:
    path = path.format(thread=run.thread_id, run=run.pk)
    return int(getattr(client(user), method)(path, body).status_code)


@pytest.mark.parametrize(("method", "path", "body", "needed"), TABLE)
def test_a_request_takes_its_permissions_all_of_them(
    alice: User, run: Run, method: str, path: str, body: Any, needed: list[str]
) -> None:
    for lacking in needed:
        give(alice, *[name for name in needed if name != lacking])
        assert call(alice, run, method, path, body) == 403
    give(alice, *needed)
    assert call(alice, run, method, path, body) in (200, 202, 204)


@pytest.mark.parametrize(("method", "path", "body", "needed"), TABLE)
def test_permissions_open_no_other_users_threads(
    alice: User, run: Run, method: str, path: str, body: Any, needed: list[str]
) -> None:
    bob = User.objects.create(username="bob")
    give(bob, *needed)
    assert call(bob, run, method, path, body) == (404 if "{" in path else 200)


@pytest.mark.parametrize(("method", "path", "body", "needed"), TABLE)
def test_who_has_no_account_has_no_permissions(
    run: Run, method: str, path: str, body: Any, needed: list[str]
) -> None:
    assert call(None, run, method, path, body) == 401


def test_permissions_are_asked_for_only_where_the_setting_is_on(
    alice: User, run: Run, settings: Settings
) -> None:
    settings.SKEINO_MODEL_PERMISSIONS = False
    assert call(alice, run, "get", "/threads/{thread}", None) == 200


def test_who_may_not_cancel_cannot_by_leaving(alice: User, run: Run) -> None:
    give(alice, *VIEW_RUN)
    path = "/threads/{thread}/runs/{run}/join?cancel_on_disconnect=true"
    assert call(alice, run, "get", path, None) == 403


def test_every_action_says_what_it_takes() -> None:
    """Those that do not are refused: nobody would notice before the setting is on."""
    from django.urls import get_resolver
    from rest_framework.permissions import AllowAny

    from assistants.viewsets import ApiViewSet

    silent: list[str] = []
    known: set[str] = set()
    there = Permission.objects.values_list("content_type__app_label", "codename")
    for pattern in all_patterns(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None)
        if view is None or not issubclass(view, ApiViewSet) or AllowAny in view.permission_classes:
            continue
        for action in pattern.callback.actions.values():
            known |= set(view.permissions.get(action, ()))
            if not view.permissions.get(action):
                silent.append(f"{view.__name__}.{action}")
    assert silent == []
    assert known <= {f"{label}.{codename}" for label, codename in there}


def all_patterns(patterns: Any) -> Any:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from all_patterns(pattern.url_patterns)
        elif not inspect.isclass(pattern):
            yield pattern


# Assistants of groups


def test_an_assistant_of_a_group_is_its_members_alone(alice: User, run: Run, settings: Settings) -> None:
    from django.contrib.auth.models import Group

    from assistants.models import Assistant

    settings.SKEINO_MODEL_PERMISSIONS = False
    group = Group.objects.create(name="Research")
    Assistant.objects.find("echo").groups.add(group, Group.objects.create(name="Other"))
    keys = ("echo", str(run.assistant_id))
    paths = [("get", f"/assistants/{key}{rest}") for key in keys for rest in ("", "/graph")]
    paths.append(("post", "/threads/{thread}/runs"))

    def outcome(user: User | None) -> set[int]:
        found = client(user).post("/assistants/search", {"graph_id": "echo"}).json()
        return {len(found), *(call(user, run, method, path, RUN) for method, path in paths)}

    assert outcome(alice) == {0, 404}
    alice.groups.add(group)
    assert outcome(alice) == {1, 200}
    boss = User.objects.create(username="boss", is_superuser=True)
    assert outcome(boss) == {1, 200}
    assert client(None).get("/assistants/echo").status_code == 404
    assert client(None).get("/assistants/tokens").status_code == 200
