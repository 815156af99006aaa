"""A server that is set to behave as the official one does where the two differ."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.runs.api import at_once, create_thread, names, path_of, rejoin, status_in_the_end
from tests.runs.told import Folder


@pytest.fixture
def client(platform_client: httpx.Client) -> httpx.Client:
    return platform_client


@pytest.fixture
def thread_id(client: httpx.Client) -> str:
    return create_thread(client)


def create(client: httpx.Client, thread_id: str, assistant_id: str, **body: Any) -> dict[str, Any]:
    response = client.post(f"/threads/{thread_id}/runs", json={"assistant_id": assistant_id, **body})
    return dict(response.raise_for_status().json())


# --- SKEINO_RUN_CREATE = "background" ---


def test_a_created_run_is_answered_at_once(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    body = {"assistant_id": "two_steps", "input": {"folder": str(tmp_path)}, "on_disconnect": "cancel"}
    with Folder(tmp_path) as folder:
        with at_once():
            response = client.post(f"/threads/{thread_id}/runs", json=body)
        assert response.json()["status"] == "pending"
        assert response.headers["Content-Location"] == path_of(response.json())
        assert "Preference-Applied" not in response.headers
        folder.open("gate")
        assert status_in_the_end(client, path_of(response.json())) == "success"


def test_a_client_may_still_wait(client: httpx.Client, thread_id: str) -> None:
    response = client.post(
        f"/threads/{thread_id}/runs",
        json={"assistant_id": "slow", "input": {"text": "0"}},
        headers={"Prefer": "wait=30"},
    )
    assert response.json()["status"] == "success"
    assert response.headers["Preference-Applied"] == "wait=30"


# --- SKEINO_BUSY = "platform" ---


def test_enqueued_runs_wait(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        first = create(client, thread_id, "two_steps", input=folder.input)
        second = create(client, thread_id, "slow", input={"text": "0"}, multitask_strategy="enqueue")
        folder.wait_for_line("second")
        assert client.get(path_of(second)).json()["status"] == "pending"
        folder.open("gate")
        assert [status_in_the_end(client, path_of(run)) for run in (first, second)] == ["success"] * 2


def test_a_busy_thread_may_still_be_a_conflict(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        first = create(client, thread_id, "two_steps", input=folder.input)
        body = {"assistant_id": "slow", "multitask_strategy": "reject"}
        for path in ("runs", "runs/stream", "runs/wait"):
            response = client.post(f"/threads/{thread_id}/{path}", json=body)
            assert response.status_code == 409
        folder.open("gate")
        assert status_in_the_end(client, path_of(first)) == "success"


def overtaken(client: httpx.Client, thread_id: str, path: Path, strategy: str) -> tuple[Any, Any]:
    """A run that was followed while it executed, and one that came with that strategy and has ended."""
    with ThreadPoolExecutor(1) as clients, Folder(path) as folder:
        first = create(client, thread_id, "two_steps", input=folder.input, stream_mode="custom")
        streaming = clients.submit(rejoin, client, f"{path_of(first)}/stream", "-1")
        folder.wait_for_line("second")
        body = {"folder": str(path), "name": "later"}
        with at_once():
            second = create(client, thread_id, "meeting", input=body, multitask_strategy=strategy)
            assert status_in_the_end(client, path_of(second)) == "success"
        assert names(streaming.result()) == ["metadata", "custom"]
    return first, second


def test_a_run_interrupts_the_one_before(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    first, _second = overtaken(client, thread_id, tmp_path, "interrupt")
    assert client.get(path_of(first)).json()["status"] == "interrupted"
    assert client.get(f"/threads/{thread_id}").json()["values"]["done"] == ["first", "later"]


def test_a_run_takes_the_place_of_the_one_before(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    _first, second = overtaken(client, thread_id, tmp_path, "rollback")
    assert [run["run_id"] for run in client.get(f"/threads/{thread_id}/runs").json()] == [second["run_id"]]
    assert client.get(f"/threads/{thread_id}").json()["values"]["done"] == ["later"]


@pytest.mark.parametrize(
    ("strategy", "left"), [("interrupt", ["success", *["interrupted"] * 3]), ("rollback", ["success"])]
)
def test_those_that_wait_make_way_too(
    client: httpx.Client, thread_id: str, tmp_path: Path, strategy: str, left: list[str]
) -> None:
    with Folder(tmp_path) as folder:
        for _ in range(3):
            create(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        last = create(client, thread_id, "slow", input={"text": "0"}, multitask_strategy=strategy)
        assert status_in_the_end(client, path_of(last)) == "success"
    assert [run["status"] for run in client.get(f"/threads/{thread_id}/runs").json()] == left
    assert folder.lines == ["first", "second"]


@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
def test_of_eight_that_take_each_others_place_one_is_left(
    client: httpx.Client, thread_id: str, strategy: str
) -> None:
    def post(number: int) -> int:
        body = {"assistant_id": "slow", "input": {"text": "3"}, "multitask_strategy": strategy}
        return client.post(f"/threads/{thread_id}/runs/stream", json=body).status_code

    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(post, range(8))) == [200] * 8
    statuses = [run["status"] for run in client.get(f"/threads/{thread_id}/runs").json()]
    thread = client.get(f"/threads/{thread_id}").json()
    assert statuses == (["success", *["interrupted"] * 7] if strategy == "interrupt" else ["success"])
    assert (thread["status"], thread["error"]) == ("idle", None)
    log = thread["values"]["log"]
    # Who is interrupted keeps what it has reached, which is all if its only node had just ended.
    assert set(log) == {"3 steps"} if strategy == "interrupt" else log == ["3 steps"]
