from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from runs.models import Run
from tests.runs.engine import new_thread, submit

pytestmark = pytest.mark.usefixtures("engine_db")

FULL = "This server has as many streams open as it may. Try again soon."
BODY = {"assistant_id": "slow", "input": {"text": "0"}}


@pytest.fixture(autouse=True)
def full(settings: Settings) -> None:
    """The server has as many streams open as it may: none."""
    settings.SKEINO_ALLOW_ANONYMOUS = True
    settings.SKEINO_MAX_STREAMS = 0


@pytest.fixture
def api() -> Client:
    """Asks this process."""
    return Client()


def refused(response: Any) -> bool:
    """Whether the client is told to come back."""
    if response.status_code != 429:
        return False
    assert json.loads(response.content) == {"detail": FULL}
    assert response.headers["Retry-After"] == "1"
    return True


@pytest.mark.parametrize(
    "path", ["/threads/{}/runs/stream", "/threads/{}/runs/wait", "/runs/stream", "/runs/wait"]
)
def test_no_run_is_made_that_nobody_could_listen_to(api: Client, path: str) -> None:
    response = api.post(path.format(new_thread().pk), BODY, content_type="application/json")
    assert refused(response)
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("path", "prefer"), [("/threads/{}/runs", ""), ("/threads/{}/runs", "wait=1"), ("/runs", "wait=1")]
)
def test_no_run_is_made_that_nobody_could_wait_for(api: Client, path: str, prefer: str) -> None:
    path = path.format(new_thread().pk)
    assert refused(api.post(path, BODY, content_type="application/json", headers={"Prefer": prefer}))
    assert not Run.objects.exists()


@pytest.mark.parametrize(("path", "prefer"), [("/threads/{}/runs", "respond-async"), ("/runs", "")])
def test_what_is_answered_at_once_is_taken(api: Client, path: str, prefer: str) -> None:
    path = path.format(new_thread().pk)
    response = api.post(path, BODY, content_type="application/json", headers={"Prefer": prefer})
    assert response.status_code == 200


@pytest.mark.parametrize("end", ["join", "stream"])
def test_nobody_joins_any_more(api: Client, end: str) -> None:
    run = submit("slow", input={"text": "0"})
    for path in (f"/threads/{run.thread_id}/runs/{run.pk}", f"/runs/{run.pk}"):
        assert refused(api.get(f"{path}/{end}"))
    assert refused(api.get(f"/threads/{run.thread_id}/stream"))


def test_a_run_can_be_cancelled_all_the_same(api: Client) -> None:
    run = submit("slow", input={"text": "0"})
    path = f"/threads/{run.thread_id}/runs/{run.pk}"
    assert api.post(f"{path}/cancel").status_code == 202
    assert api.get(path).json()["status"] == "interrupted"
