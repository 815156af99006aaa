from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.runs.api import (
    at_once,
    create_thread,
    execute,
    human,
    names,
    path_of,
    rejoin,
    start,
    status_in_the_end,
)
from tests.runs.told import Folder

NOTHING = "No matching runs to cancel. They have ended, or were deleted."


def cancel(client: httpx.Client, run: dict[str, Any], **query: Any) -> httpx.Response:
    return client.post(f"{path_of(run)}/cancel", params=query)


def cancel_many(client: httpx.Client, query: dict[str, Any] | None = None, **body: Any) -> httpx.Response:
    return client.post("/runs/cancel", json=body, params=query)


def test_it_answers_at_once_with_nothing(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        response = cancel(client, run)
        assert (response.status_code, response.content) == (202, b"")
        with at_once():
            assert status_in_the_end(client, path_of(run)) == "interrupted"


def test_it_answers_when_the_run_has_ended_where_asked_to(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        with at_once():
            response = cancel(client, run, wait=1)
        assert (response.status_code, response.json()) == (200, {})
        assert response.headers["Location"] == f"{path_of(run)}/join"
        assert response.headers["Content-Location"] == path_of(run)
        assert client.get(path_of(run)).json()["status"] == "interrupted"


def test_an_interrupted_run_leaves_what_it_has_reached(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        cancel(client, run, wait=1)
        thread = client.get(f"/threads/{thread_id}").json()
        state = client.get(f"/threads/{thread_id}/state").json()
    assert (thread["status"], thread["error"]["error"]) == ("interrupted", "UserInterrupt")
    assert (thread["values"]["done"], state["next"]) == (["first"], ["second"])


@pytest.mark.parametrize("wait", [0, 1])
def test_a_run_that_is_rolled_back_has_never_been(
    client: httpx.Client, thread_id: str, tmp_path: Path, wait: int
) -> None:
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        response = cancel(client, run, wait=wait, action="rollback")
        assert (response.status_code, response.content) == ((200, b"{}") if wait else (202, b""))
        assert client.get(path_of(run)).status_code == 404
        thread = client.get(f"/threads/{thread_id}").json()
        state = client.get(f"/threads/{thread_id}/state").json()
    assert (thread["status"], thread["error"]["error"]) == ("idle", "UserRollback")
    assert (thread["values"], state["values"], state["checkpoint"]) == (None, {}, None)


def test_a_rollback_leaves_what_was_there_before(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    execute(client, thread_id, "meeting", input={"folder": str(tmp_path), "name": "earlier"})
    before = client.get(f"/threads/{thread_id}/state").json()
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        cancel(client, run, action="rollback")
    assert client.get(f"/threads/{thread_id}/state").json() == before
    assert client.get(f"/threads/{thread_id}").json()["values"] == before["values"]


def test_a_rollback_leaves_what_another_graph_has_left(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    execute(client, thread_id, "slow", input={"text": "0"})
    before = client.get(f"/threads/{thread_id}/state").json()
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        cancel(client, run, action="rollback")
    assert client.get(f"/threads/{thread_id}").json()["values"] == before["values"]
    assert client.get(f"/threads/{thread_id}/state").json()["values"] == before["values"]


def test_a_run_that_waits_is_cancelled_before_it_begins(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        first = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        second = start(client, thread_id, "two_steps", input=folder.input)
        with at_once():
            assert cancel(client, second, wait=1).json() == {}
        assert client.get(path_of(second)).json()["status"] == "interrupted"
        assert client.get(f"/threads/{thread_id}").json()["status"] == "busy"
        folder.open("gate")
        assert status_in_the_end(client, path_of(first)) == "success"
    assert folder.lines == ["first", "second"]


def test_a_run_that_begins_later_is_cancelled(client: httpx.Client, thread_id: str) -> None:
    run = start(client, thread_id, "slow", input={"text": "0"}, after_seconds=600)
    assert cancel(client, run).status_code == 202
    assert client.get(path_of(run)).json()["status"] == "interrupted"
    assert client.get(f"/threads/{thread_id}").json()["status"] == "idle"


def test_its_streams_close_without_a_word(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    for action in ("interrupt", "rollback"):
        with ThreadPoolExecutor(1) as clients, Folder(tmp_path / action) as folder:
            folder.path.mkdir()
            run = start(client, thread_id, "two_steps", input=folder.input, stream_mode="custom")
            streaming = clients.submit(rejoin, client, f"{path_of(run)}/stream", "-1")
            folder.wait_for_line("second")
            cancel(client, run, action=action)
            with at_once():
                assert names(streaming.result()) == ["metadata", "custom"]


def test_the_next_run_begins_at_once(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as clients, Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        waiting = clients.submit(execute, client, thread_id, "echo", input=human("hi"))
        folder.wait_for_line("second")
        cancel(client, run)
        with at_once():
            assert waiting.result()["status"] == "success"


@pytest.mark.parametrize(
    "query", [{}, {"wait": 1}, {"action": "rollback"}, {"wait": 1, "action": "rollback"}]
)
def test_a_run_that_has_ended_is_not_found(
    client: httpx.Client, thread_id: str, query: dict[str, Any]
) -> None:
    run = execute(client, thread_id, "slow", input={"text": "0"})
    response = cancel(client, run, **query)
    assert (response.status_code, response.json()) == (404, {"detail": NOTHING})
    assert client.get(path_of(run)).json() == run


def test_what_is_not_there_is_not_found(client: httpx.Client, thread_id: str) -> None:
    missing = str(uuid.uuid4())
    run = execute(client, thread_id, "slow", input={"text": "0"})
    for where, status, detail in (
        ({"run_id": missing}, 404, f"Run with ID {missing} not found"),
        ({"thread_id": missing}, 404, f"Thread with ID {missing} not found"),
        ({"thread_id": create_thread(client)}, 404, f"Run with ID {run['run_id']} not found"),
        ({"run_id": "mine"}, 422, "Invalid run ID: must be a UUID"),
        ({"thread_id": "mine"}, 422, "Invalid thread ID: must be a UUID"),
    ):
        response = cancel(client, {**run, **where})
        assert (response.status_code, response.json()["detail"]) == (status, detail)


@pytest.mark.parametrize(
    ("query", "named"),
    [({"action": "drain"}, "action"), ({"action": "explode"}, "action"), ({"wait": "perhaps"}, "wait")],
)
def test_a_query_that_makes_no_sense_is_unprocessable(
    client: httpx.Client, thread_id: str, tmp_path: Path, query: dict[str, Any], named: str
) -> None:
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        response = cancel(client, run, **query)
        folder.open("gate")
    assert response.status_code == 422
    assert response.json()["detail"].startswith(f"{named}: ")
    assert status_in_the_end(client, path_of(run)) == "success"


def test_what_it_does_not_know_is_ignored(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        assert cancel(client, run, reason="taken").status_code == 202


def test_a_foreign_run_does_not_exist(
    client: httpx.Client, thread_id: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        request.getfixturevalue("foreign_thread_id")  # from now on it is another's
        assert cancel(client, run).status_code == 404
        assert cancel_many(client, thread_id=thread_id, run_ids=[run["run_id"]]).status_code == 404
        assert cancel_many(client, status="all").status_code == 404
        folder.open("gate")


def test_of_many_who_cancel_a_run_that_ends_each_is_told_the_truth(client: httpx.Client) -> None:
    """404 only if it had ended; what is asked for at its very end may be too late."""
    for _ in range(6):
        run = start(client, create_thread(client), "slow", input={"text": "0"})
        with ThreadPoolExecutor(4) as clients:
            statuses = {
                one.result().status_code for one in [clients.submit(cancel, client, run) for _ in range(4)]
            }
            ended = clients.submit(status_in_the_end, client, path_of(run)).result()
        assert statuses <= {202, 404}
        assert ended in ({"interrupted", "success"} if 202 in statuses else {"success"})


def test_of_many_who_roll_back_a_run_one_does(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as clients, Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        asked = [clients.submit(cancel, client, run, action="rollback", wait=n % 2) for n in range(6)]
        statuses = sorted(one.result().status_code for one in asked)
    assert statuses.count(404) == 5
    assert client.get(f"/threads/{thread_id}").json()["status"] == "idle"


# --- several at once ---


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
def test_runs_of_a_thread_are_cancelled_by_their_ids(
    client: httpx.Client, thread_id: str, tmp_path: Path, action: str
) -> None:
    with Folder(tmp_path) as folder:
        runs = [start(client, thread_id, "two_steps", input=folder.input) for _ in range(3)]
        folder.wait_for_line("second")
        chosen = [run["run_id"] for run in runs[:2]]
        response = cancel_many(client, {"action": action}, thread_id=thread_id, run_ids=chosen)
        assert (response.status_code, response.content) == (204, b"")
        folder.wait_for_line("second", times=2)
        folder.open("gate")
        assert status_in_the_end(client, path_of(runs[2])) == "success"
        left = [run["status"] for run in client.get(f"/threads/{thread_id}/runs").json()]
    assert left == (["success", "interrupted", "interrupted"] if action == "interrupt" else ["success"])
    assert folder.lines == ["first", "second"] * 2  # the second one has never begun


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("all", ["interrupted", "interrupted"]),
        ("running", ["interrupted", "success"]),
        ("pending", ["success", "interrupted"]),
    ],
)
def test_runs_of_all_threads_are_cancelled_by_their_status(
    client: httpx.Client, thread_id: str, tmp_path: Path, status: str, expected: list[str]
) -> None:
    with Folder(tmp_path) as folder:
        running = start(client, thread_id, "two_steps", input=folder.input)
        waiting = start(client, thread_id, "slow", input={"text": "0"})
        folder.wait_for_line("second")
        assert cancel_many(client, status=status).status_code == 204
        if expected[0] == "success":
            folder.open("gate")
        assert [status_in_the_end(client, path_of(run)) for run in (running, waiting)] == expected


def test_where_nothing_is_to_be_cancelled_nothing_is_found(client: httpx.Client, thread_id: str) -> None:
    ended = execute(client, thread_id, "slow", input={"text": "0"})["run_id"]
    for body in (
        {"status": "all"},
        {"status": "pending"},
        {"thread_id": thread_id, "run_ids": [ended]},
        {"thread_id": thread_id, "run_ids": [str(uuid.uuid4())]},
        {"thread_id": str(uuid.uuid4()), "run_ids": [ended]},
    ):
        response = cancel_many(client, **body)
        assert (response.status_code, response.json()) == (404, {"detail": NOTHING})


THREAD, RUN = str(uuid.uuid4()), str(uuid.uuid4())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "bogus"},
        {"status": None},
        {"thread_id": THREAD},
        {"run_ids": [RUN]},
        {"thread_id": THREAD, "run_ids": []},
        {"thread_id": THREAD, "run_ids": "all"},
        {"thread_id": "mine", "run_ids": [RUN]},
        {"thread_id": THREAD, "run_ids": ["mine"]},
        {"thread_id": THREAD, "run_ids": [RUN], "status": "all"},
        {"thread_id": THREAD, "status": "running"},
        {"run_ids": [RUN], "status": "running"},
    ],
)
def test_what_to_cancel_must_be_clear(
    client: httpx.Client, thread_id: str, tmp_path: Path, body: dict[str, Any]
) -> None:
    with Folder(tmp_path) as folder:
        run = start(client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        response = cancel_many(client, **body)
        assert response.status_code == 422
        assert isinstance(response.json()["detail"], str)
        folder.open("gate")
        assert status_in_the_end(client, path_of(run)) == "success"


def test_an_unknown_action_cancels_nothing(client: httpx.Client) -> None:
    response = cancel_many(client, {"action": "explode"}, status="all")
    assert response.status_code == 422
    assert response.json()["detail"].startswith("action: ")


def test_many_are_cancelled_while_their_threads_are_deleted(client: httpx.Client) -> None:
    runs = [start(client, create_thread(client), "slow", input={"text": "99"}) for _ in range(12)]

    def delete(run: dict[str, Any]) -> int:
        return client.delete(f"/threads/{run['thread_id']}").status_code

    with ThreadPoolExecutor(4) as clients:
        deleting = [clients.submit(delete, run) for run in runs[::2]]
        assert cancel_many(client, status="all").status_code == 204
        assert {one.result() for one in deleting} == {204}
    assert {status_in_the_end(client, path_of(run)) for run in runs[1::2]} == {"interrupted"}
