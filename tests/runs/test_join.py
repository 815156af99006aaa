from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.runs.api import at_once, create_thread, execute, path_of, start, status_in_the_end
from tests.runs.told import Folder


def joined(client: httpx.Client, path: str) -> httpx.Response:
    return client.get(f"{path}/join")


def test_it_waits_and_answers_as_wait_does(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as clients, Folder(tmp_path) as folder:
        path = path_of(start(client, thread_id, "two_steps", input=folder.input))
        joining = [clients.submit(joined, client, path) for _ in range(8)]
        folder.wait_for_line("second")
        assert not any(one.done() for one in joining)
        folder.open("gate")
        assert [one.result().json()["done"] for one in joining] == [["first", "second"]] * 8


def test_a_run_that_has_ended_is_answered_at_once(client: httpx.Client, thread_id: str) -> None:
    path = path_of(execute(client, thread_id, "slow", input={"text": "0"}))
    with at_once():
        response = joined(client, path)
    assert response.status_code == 200
    assert response.json() == {"text": "0", "log": ["0 steps"]}
    assert response.headers["Location"] == f"{path}/join"
    assert response.headers["Content-Location"] == path


def test_a_run_that_failed_is_an_error_in_the_answer(client: httpx.Client, thread_id: str) -> None:
    path = path_of(execute(client, thread_id, "fails", input={"text": "x"}))
    assert joined(client, path).json() == {"__error__": {"error": "ValueError", "message": "boom: x"}}


def test_a_run_that_waits_for_a_person_has_its_interrupt(client: httpx.Client, thread_id: str) -> None:
    path = path_of(execute(client, thread_id, "interrupting", input={"question": "sure?"}))
    [interrupt] = joined(client, path).json()["__interrupt__"]
    assert interrupt["value"] == {"question": "sure?"}


def test_a_run_that_begins_later_is_waited_for(client: httpx.Client, thread_id: str) -> None:
    path = path_of(start(client, thread_id, "slow", input={"text": "0"}, after_seconds=0.5))
    assert joined(client, path).json()["log"] == ["0 steps"]


def test_it_never_misses_the_end(client: httpx.Client) -> None:
    """Joined at every moment around a run's end, it answers, and with the end."""
    threads = [create_thread(client) for _ in range(24)]

    def start_and_join(thread_id: str) -> list[str]:
        run = start(client, thread_id, "slow", input={"text": "0"})
        return list(joined(client, path_of(run)).json()["log"])

    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(start_and_join, threads)) == [["0 steps"]] * 24


def test_a_deleted_run_ends_the_waiting(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as clients, Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        joining = clients.submit(joined, client, path_of(run))
        folder.wait_for_line("second")
        client.delete(path_of(run)).raise_for_status()
        with at_once():
            answer = joining.result().json()
    assert answer["__error__"]["message"] == f"Run with ID {run['run_id']} not found"


@pytest.mark.parametrize(("query", "status"), [("", "success"), ("?cancel_on_disconnect=1", "interrupted")])
def test_what_becomes_of_a_run_when_one_who_joined_it_leaves(
    client: httpx.Client, thread_id: str, tmp_path: Path, query: str, status: str
) -> None:
    with Folder(tmp_path) as folder:
        # What the run's own client said of its leaving is about itself.
        run = start(client, thread_id, "two_steps", input=folder.input, on_disconnect="cancel")
        folder.wait_for_line("second")
        with client.stream("GET", f"{path_of(run)}/join{query}"):
            pass
        if status == "success":
            folder.open("gate")
        with at_once():
            assert status_in_the_end(client, path_of(run)) == status


@pytest.mark.parametrize("end", ["join", "stream"])
def test_what_is_not_there_is_not_found(client: httpx.Client, thread_id: str, end: str) -> None:
    run = execute(client, thread_id, "slow", input={"text": "0"})
    missing, other = str(uuid.uuid4()), create_thread(client)
    for path, status, detail in (
        (f"/threads/{thread_id}/runs/{missing}", 404, f"Run with ID {missing} not found"),
        (f"/threads/{other}/runs/{run['run_id']}", 404, f"Run with ID {run['run_id']} not found"),
        (f"/threads/{missing}/runs/{run['run_id']}", 404, f"Thread with ID {missing} not found"),
        (f"/threads/{thread_id}/runs/mine", 422, "Invalid run ID: must be a UUID"),
        (f"/threads/mine/runs/{run['run_id']}", 422, "Invalid thread ID: must be a UUID"),
        (f"/runs/{missing}", 404, f"Run with ID {missing} not found"),
        ("/runs/mine", 422, "Invalid run ID: must be a UUID"),
    ):
        response = client.get(f"{path}/{end}")
        assert (response.status_code, response.json()["detail"]) == (status, detail)


@pytest.mark.parametrize("end", ["", "/join", "/stream"])
def test_a_foreign_run_does_not_exist(
    client: httpx.Client, thread_id: str, end: str, request: pytest.FixtureRequest
) -> None:
    run = execute(client, thread_id, "slow", input={"text": "0"})
    request.getfixturevalue("foreign_thread_id")  # from now on it is another's
    for path, what in ((path_of(run), f"Thread with ID {thread_id}"), (f"/runs/{run['run_id']}", "Run with")):
        response = client.get(f"{path}{end}")
        assert response.status_code == 404
        assert response.json()["detail"].startswith(what)


def test_a_query_that_makes_no_sense_is_unprocessable(client: httpx.Client, thread_id: str) -> None:
    path = path_of(execute(client, thread_id, "slow", input={"text": "0"}))
    for prefix in (path, f"/runs/{path.rpartition('/')[2]}"):
        response = client.get(f"{prefix}/join?cancel_on_disconnect=perhaps")
        assert response.status_code == 422
        assert response.json()["detail"] == "cancel_on_disconnect: Must be a valid boolean."
