from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.runs.api import at_once, path_of, status_in_the_end
from tests.runs.told import Folder

ASYNC = "respond-async"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with Folder(tmp_path) as folder:
        yield folder


def create(client: httpx.Client, path: str, folder: Folder, prefer: str, **body: Any) -> httpx.Response:
    body = {"assistant_id": "two_steps", "input": folder.input, **body}
    return client.post(path, json=body, headers={"Prefer": prefer})


@pytest.mark.parametrize(
    "prefer",
    [ASYNC, "Respond-Async", f"handling=lenient, {ASYNC}", f"{ASYNC}; foo=bar", f'{ASYNC} ,wait="x"'],
)
def test_it_is_answered_at_once(client: httpx.Client, thread_id: str, folder: Folder, prefer: str) -> None:
    with at_once():
        response = create(client, f"/threads/{thread_id}/runs", folder, prefer)
    assert response.status_code == 200
    assert response.json()["status"] == "pending"
    assert response.headers["Preference-Applied"] == ASYNC
    assert response.headers["Location"] == path_of(response.json())
    folder.open("gate")
    assert status_in_the_end(client, path_of(response.json())) == "success"


@pytest.mark.parametrize("prefer", ["wait=1", 'wait="1"', f"{ASYNC}, wait=1", "WAIT = 1", "wait=1, wait=60"])
@pytest.mark.parametrize("stateless", [False, True])
def test_it_is_answered_after_a_while(
    client: httpx.Client, thread_id: str, folder: Folder, prefer: str, stateless: bool
) -> None:
    path = "/runs" if stateless else f"/threads/{thread_id}/runs"
    with at_once():
        response = create(client, path, folder, prefer)
    assert response.status_code == 200
    assert response.json()["status"] == "running"
    assert response.headers["Preference-Applied"] == "wait=1"
    folder.open("gate")
    assert status_in_the_end(client, path_of(response.json())) == "success"


@pytest.mark.parametrize("path", ["/threads/{}/runs", "/runs"])
@pytest.mark.parametrize("seconds", ["60", "9" * 400])
def test_it_is_answered_earlier_if_the_run_ends(
    client: httpx.Client, thread_id: str, path: str, seconds: str
) -> None:
    body = {"assistant_id": "slow", "input": {"text": "0"}}
    headers = {"Prefer": f"wait={seconds}"}
    with at_once():
        response = client.post(path.format(thread_id), json=body, headers=headers)
    assert response.json()["status"] == "success"
    assert response.headers["Preference-Applied"].startswith("wait=")


def test_not_to_wait_is_to_answer_at_once(client: httpx.Client, thread_id: str, folder: Folder) -> None:
    with at_once():
        response = create(client, f"/threads/{thread_id}/runs", folder, "wait=0")
    assert response.json()["status"] in ("pending", "running")
    assert response.headers["Preference-Applied"] == "wait=0"


@pytest.mark.parametrize(
    "prefer", ["", "wait", "wait=", "wait=-1", "wait=soon", "wait=1.5", "return=minimal", ";,=,"]
)
def test_what_is_no_preference_is_ignored(client: httpx.Client, thread_id: str, prefer: str) -> None:
    response = client.post(
        f"/threads/{thread_id}/runs",
        json={"assistant_id": "slow", "input": {"text": "0"}},
        headers={"Prefer": prefer},
    )
    assert response.json()["status"] == "success"
    assert "Preference-Applied" not in response.headers


def test_a_client_that_need_not_wait_may_leave(client: httpx.Client, thread_id: str, folder: Folder) -> None:
    response = create(client, f"/threads/{thread_id}/runs", folder, ASYNC, on_disconnect="cancel")
    folder.open("gate")
    assert status_in_the_end(client, path_of(response.json())) == "success"


def test_a_client_that_leaves_while_it_waits_cancels_where_asked_to(
    client: httpx.Client, thread_id: str, folder: Folder
) -> None:
    path = f"/threads/{thread_id}/runs"
    body = {"assistant_id": "two_steps", "input": folder.input, "on_disconnect": "cancel"}
    with pytest.raises(httpx.ReadTimeout):
        client.post(path, json=body, headers={"Prefer": "wait=60"}, timeout=1)
    folder.wait_for_line("second")
    [run] = client.get(path).json()
    with at_once():
        assert status_in_the_end(client, path_of(run)) == "interrupted"


@pytest.mark.parametrize("after_seconds", [0.001, 600])
def test_a_run_that_begins_later_is_answered_at_once(
    client: httpx.Client, thread_id: str, folder: Folder, after_seconds: float
) -> None:
    with at_once():
        response = create(client, f"/threads/{thread_id}/runs", folder, "", after_seconds=after_seconds)
    assert response.json()["status"] == "pending"
    client.delete(path_of(response.json()))


@pytest.mark.parametrize("after_seconds", [0, "0", -5, None])
def test_a_run_that_begins_now_is_waited_for(
    client: httpx.Client, thread_id: str, after_seconds: Any
) -> None:
    body = {"assistant_id": "slow", "input": {"text": "0"}, "after_seconds": after_seconds}
    assert client.post(f"/threads/{thread_id}/runs", json=body).json()["status"] == "success"
