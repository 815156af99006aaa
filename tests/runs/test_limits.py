"""What one user, and one request, may have the server do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from runs.exceptions import TooManyRuns
from runs.models import Run
from tests.live import TEST_GRAPHS
from tests.runs.engine import IDLE, at_once, claim, finish, submit
from threads.models import Thread

if TYPE_CHECKING:
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

RUN = {"assistant_id": "echo", "input": {"messages": []}, "after_seconds": 3600}


@pytest.fixture(autouse=True)
def test_settings(settings: Settings) -> None:
    settings.SKEINO_LANGGRAPH_JSON = TEST_GRAPHS
    settings.SKEINO_ALLOW_ANONYMOUS = True
    settings.SKEINO_MAX_RUNS_PER_USER = 3


@pytest.fixture
def alice() -> User:
    return User.objects.create(username="alice")


def client(user: User | None = None) -> APIClient:
    from rest_framework.test import APIClient

    api = APIClient()
    if user is not None:
        api.force_login(user)
    return api


# Runs of one user


def test_a_user_has_no_more_active_runs_than_they_may(alice: User) -> None:
    runs = [submit(user=alice) for _ in range(3)]
    with pytest.raises(TooManyRuns):
        submit(user=alice)
    claimed = claim(runs[0].pk)
    assert claimed
    with pytest.raises(TooManyRuns):
        submit(user=alice)
    finish(claimed, Run.Status.SUCCESS, IDLE, seq=1)
    runs[1].cancel()
    submit(user=alice)
    submit(user=alice)
    with pytest.raises(TooManyRuns):
        submit(user=alice)


def test_other_users_and_nobody_are_not_counted(alice: User, settings: Settings) -> None:
    settings.SKEINO_MAX_RUNS_PER_USER = 1
    submit(user=alice)
    submit(user=User.objects.create(username="bob"))
    for _ in range(2):
        submit()


def test_without_a_limit_there_is_none(alice: User, settings: Settings) -> None:
    settings.SKEINO_MAX_RUNS_PER_USER = None
    for _ in range(5):
        submit(user=alice)


@pytest.mark.parametrize("path", ["/threads/{}/runs", "/threads/{}/runs/stream", "/runs", "/runs/wait"])
def test_one_run_too_many_is_429_and_leaves_nothing(alice: User, path: str) -> None:
    thread = Thread.objects.open(user=alice)
    for _ in range(3):
        submit(thread=thread, user=alice)
    response = client(alice).post(path.format(thread.pk), RUN)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "5"
    assert response.json()["detail"] == TooManyRuns(3).detail
    assert Run.objects.count() == 3
    if path.startswith("/threads"):
        assert Thread.objects.count() == 1


def test_a_batch_with_one_too_many_makes_none(alice: User) -> None:
    assert client(alice).post("/runs/batch", [RUN] * 4).status_code == 429
    assert not Run.objects.exists()
    assert client(alice).post("/runs/batch", [RUN] * 3).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_are_made(alice: User) -> None:
    results = at_once(*[lambda: submit(user=alice)] * 8)
    assert sum(isinstance(result, Run) for result in results) == 3
    assert sum(isinstance(result, TooManyRuns) for result in results) == 5


# One request


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/threads", {"metadata": {}}),
        ("/runs", {**RUN, "metadata": {}}),
        ("/runs", {**RUN, "config": {"metadata": {}}}),
    ],
)
def test_metadata_have_a_size(settings: Settings, path: str, body: dict[str, Any]) -> None:
    settings.SKEINO_MAX_METADATA_BYTES = 20
    metadata = body["config"]["metadata"] if "config" in body else body["metadata"]
    metadata["key"] = "x" * 10  # {"key":"xxxxxxxxxx"}
    assert client().post(path, body).status_code == 200
    metadata["key"] = "ä" * 6
    response = client().post(path, body)
    assert (response.status_code, "larger than 20 bytes" in response.json()["detail"]) == (422, True)


def test_metadata_have_a_size_when_they_are_changed(settings: Settings) -> None:
    settings.SKEINO_MAX_METADATA_BYTES = 20
    thread = Thread.objects.create()
    assert client().patch(f"/threads/{thread.pk}", {"metadata": {"key": "x" * 20}}).status_code == 422


def test_an_input_has_so_many_messages(settings: Settings) -> None:
    settings.SKEINO_MAX_MESSAGES = 2
    message = {"role": "user", "content": "x"}
    for count, status in ((2, 200), (3, 422)):
        body = {**RUN, "input": {"messages": [message] * count}}
        assert client().post("/runs", body).status_code == status


def test_a_string_has_so_many_characters(settings: Settings) -> None:
    settings.SKEINO_MAX_STRING_LENGTH = 100
    for value, status in (("ä" * 100, 200), ("x" * 101, 422)):
        assert client().post("/threads", {"metadata": {"a": [{"b": value}]}}).status_code == status
    assert client().post("/threads", {"metadata": {"x" * 101: 1}}).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"assistant_id": "x" * 256},
        {"config": {"tags": ["x" * 256]}},
        {"config": {"tags": ["x"] * 101}},
        {"feedback_keys": ["x"] * 101},
        {"checkpoint": {"checkpoint_ns": "x" * 5000}},
    ],
)
def test_names_have_a_length(body: dict[str, Any]) -> None:
    assert client().post("/runs", {**RUN, **body}).status_code == 422
