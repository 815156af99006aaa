from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.runs.api import (
    at_once,
    create_thread,
    execute,
    human,
    path_of,
    rejoin,
    start,
    status_in_the_end,
)
from tests.runs.told import Folder


def test_a_finished_run_is_deleted_and_what_it_did_stays(client: httpx.Client, thread_id: str) -> None:
    run = execute(client, thread_id, "echo", input=human("hi"))
    before = client.get(f"/threads/{thread_id}/state").json()
    response = client.delete(path_of(run))
    assert (response.status_code, response.content) == (204, b"")
    assert client.get(path_of(run)).status_code == 404
    assert client.get(f"{path_of(run)}/stream").status_code == 404
    assert client.get(f"/threads/{thread_id}/runs").json() == []
    assert client.get(f"/threads/{thread_id}/state").json() == before


def test_a_run_that_goes_on_is_stopped_and_undone(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    execute(client, thread_id, "meeting", input={"folder": str(tmp_path), "name": "earlier"})
    before = client.get(f"/threads/{thread_id}/state").json()
    with ThreadPoolExecutor(1) as clients, Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        streaming = clients.submit(rejoin, client, f"{path_of(run)}/stream", "-1")
        folder.wait_for_line("second")
        assert client.delete(path_of(run)).status_code == 204
        with at_once():
            assert "error" not in [event.event for event in streaming.result()]
        assert client.get(f"/threads/{thread_id}").json()["status"] == "idle"
        folder.open("gate")
    assert client.get(f"/threads/{thread_id}/state").json() == before
    execute(client, thread_id, "meeting", input={"folder": str(tmp_path), "name": "later"})
    assert client.get(f"/threads/{thread_id}").json()["values"]["done"] == ["earlier", "later"]


def test_a_run_that_waits_never_begins(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        first = start(client, thread_id, "two_steps", input=folder.input)
        second = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        assert client.delete(path_of(second)).status_code == 204
        folder.open("gate")
        assert status_in_the_end(client, path_of(first)) == "success"
    assert client.get(f"/threads/{thread_id}").json()["status"] == "idle"
    assert folder.lines == ["first", "second"]


def test_what_is_not_there_is_not_found(client: httpx.Client, thread_id: str) -> None:
    run = execute(client, thread_id, "slow", input={"text": "0"})
    missing = str(uuid.uuid4())
    for path, status, detail in (
        (f"/threads/{thread_id}/runs/{missing}", 404, f"Run with ID {missing} not found"),
        (f"/threads/{create_thread(client)}/runs/{run['run_id']}", 404, f"Run with ID {run['run_id']}"),
        (f"/threads/{missing}/runs/{run['run_id']}", 404, f"Thread with ID {missing} not found"),
        (f"/threads/{thread_id}/runs/mine", 422, "Invalid run ID: must be a UUID"),
    ):
        response = client.delete(path)
        assert response.status_code == status
        assert response.json()["detail"].startswith(detail)
    assert client.get(path_of(run)).status_code == 200


def test_it_is_deleted_once(client: httpx.Client, thread_id: str) -> None:
    run = execute(client, thread_id, "slow", input={"text": "0"})
    assert [client.delete(path_of(run)).status_code for _ in range(2)] == [204, 404]


def test_a_foreign_run_does_not_exist(
    client: httpx.Client, thread_id: str, request: pytest.FixtureRequest
) -> None:
    run = execute(client, thread_id, "slow", input={"text": "0"})
    request.getfixturevalue("foreign_thread_id")  # from now on it is another's
    assert client.delete(path_of(run)).status_code == 404


def test_many_may_delete_a_run_while_it_ends(client: httpx.Client) -> None:
    for _ in range(6):
        thread_id = create_thread(client)
        run = start(client, thread_id, "slow", input={"text": "0"})
        with ThreadPoolExecutor(4) as clients:
            asked = [clients.submit(client.delete, path_of(run)) for _ in range(4)]
            joined = client.get(f"{path_of(run)}/join").status_code
        statuses = {one.result().status_code for one in asked}
        assert 204 in statuses
        assert statuses <= {204, 404}
        assert joined in (200, 404)
        assert client.get(path_of(run)).status_code == 404
        assert client.get(f"/threads/{thread_id}").json()["status"] == "idle"
        assert execute(client, thread_id, "echo", input=human("hi"))["status"] == "success"
