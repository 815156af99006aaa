"""What is looked at before a run is made: nothing, where one statement can tell."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from pytest_django import Settings

from assistants.models import Assistant, system_assistant_id
from runs.models import Run
from runs.submission import Place
from tests.live import TEST_GRAPHS
from threads.models import Thread
from threads.policy import Access, ThreadPolicy
from threads.sharing import ThreadShare

if TYPE_CHECKING:
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

NOT_FOUND, FORBIDDEN = 404, 403


class OnlyMarked(ThreadPolicy):
    """Runs on threads that are marked so, even the owner's."""

    def allowed(self, threads: Any, user: Any, access: Access) -> Any:
        found = super().allowed(threads, user, access)
        return found if access == Access.READ else found.filter(metadata__marked=True)


@pytest.fixture(autouse=True)
def test_settings(settings: Settings) -> None:
    settings.SKEINO_LANGGRAPH_JSON = TEST_GRAPHS
    settings.SKEINO_ALLOW_ANONYMOUS = True
    Assistant.objects.sync()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """For whom thread and assistant were read."""
    places = []
    seen = Place.seen

    def noted(place: Place, **options: Any) -> Any:
        places.append(place)
        return seen(place, **options)

    monkeypatch.setattr(Place, "seen", noted)
    return places


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice")


def client(user: User | None = None) -> APIClient:
    from rest_framework.test import APIClient

    api = APIClient(headers={"Prefer": "respond-async"})
    if user is not None:
        api.force_login(user)
    return api


def status_of(user: User | None, thread_id: object, assistant_id: object = "echo", **body: Any) -> int:
    asked = {"assistant_id": str(assistant_id), "input": None, **body}
    return client(user).post(f"/threads/{thread_id}/runs", asked, format="json").status_code


@pytest.mark.parametrize("is_known", [True, False])
def test_a_run_on_ones_own_thread_is_made_unseen(reads: list[Place], alice: User, is_known: bool) -> None:
    user = alice if is_known else None
    thread = Thread.objects.open(user=user or AnonymousUser(), metadata={"topic": "tea"})
    assert status_of(user, thread.pk) == 200
    assert reads == []
    run = Run.objects.get()
    assert (run.thread_id, run.user_id) == (thread.pk, user and user.pk)
    stamp = {"graph_id": "echo", "assistant_id": str(system_assistant_id("echo"))}
    assert run.metadata == {"created_by": "system", "topic": "tea", **stamp}
    thread.refresh_from_db()
    assert (thread.status, thread.metadata) == ("busy", {"topic": "tea", **stamp})


def test_another_assistant_is_looked_at(reads: list[Place], alice: User) -> None:
    assistant = Assistant.objects.create(graph_id="echo", name="mine")
    assert status_of(alice, Thread.objects.open(user=alice).pk, assistant.pk) == 200
    assert len(reads) == 1
    assert Run.objects.get().assistant_id == assistant.pk


@pytest.mark.parametrize("is_member", [True, False])
def test_an_assistant_of_groups_is_looked_at(reads: list[Place], alice: User, is_member: bool) -> None:
    thread, group = Thread.objects.open(user=alice), Group.objects.create(name="testers")
    assert status_of(alice, thread.pk) == 200
    Assistant.objects.get(graph_id="echo").groups.add(group)
    if is_member:
        alice.groups.add(group)
    assert status_of(alice, thread.pk) == (200 if is_member else NOT_FOUND)
    assert len(reads) == 1
    assert Run.objects.count() == 1 + is_member


@pytest.mark.parametrize(
    ("access", "status"), [(None, NOT_FOUND), (Access.READ, FORBIDDEN), (Access.RUN, 200)]
)
def test_anothers_thread_is_looked_at(
    reads: list[Place], alice: User, access: Access | None, status: int
) -> None:
    group, bob = Group.objects.create(name="team"), User.objects.create_user("bob")
    thread = Thread.objects.open(user=bob)
    alice.groups.add(group)
    if access is not None:
        ThreadShare.objects.create(thread=thread, group=group, access=access)
    assert status_of(alice, thread.pk) == status
    assert len(reads) == 1
    assert Run.objects.count() == (status == 200)


def test_nobody_runs_on_somebodys_thread(alice: User) -> None:
    assert status_of(None, Thread.objects.open(user=alice).pk) == NOT_FOUND
    assert status_of(alice, Thread.objects.open(user=AnonymousUser()).pk) == NOT_FOUND
    assert not Run.objects.exists()


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_rule_of_the_projects_is_asked(
    reads: list[Place], alice: User, settings: Settings, is_marked: bool
) -> None:
    settings.SKEINO_THREAD_POLICY = f"{__name__}.OnlyMarked"
    thread = Thread.objects.open(user=alice, metadata={"marked": is_marked})
    assert status_of(alice, thread.pk) == (200 if is_marked else FORBIDDEN)
    assert len(reads) == 1
    assert Run.objects.count() == is_marked


def test_a_thread_that_is_missing_is_made_on_request(reads: list[Place], alice: User) -> None:
    thread_id = uuid.uuid4()
    assert status_of(alice, thread_id) == NOT_FOUND
    assert status_of(alice, thread_id, if_not_exists="create") == 200
    assert Thread.objects.get(pk=thread_id).owner == alice


def test_a_run_that_may_stop_others_looks_first(reads: list[Place], alice: User) -> None:
    thread = Thread.objects.open(user=alice)
    assert status_of(alice, thread.pk) == 200
    bob = User.objects.create_user("bob")
    for strategy in ("reject", "interrupt", "rollback"):
        assert status_of(bob, thread.pk, multitask_strategy=strategy) == NOT_FOUND
    assert Run.objects.get().status == "pending"
