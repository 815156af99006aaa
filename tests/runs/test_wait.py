from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.runs.api import at_once, create_thread, execute, human, status_in_the_end
from tests.runs.told import Folder


def wait(client: httpx.Client, thread_id: object, assistant_id: str, **body: Any) -> httpx.Response:
    return client.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": assistant_id, **body})


def test_it_answers_with_the_values_that_the_run_leaves(client: httpx.Client, thread_id: str) -> None:
    response = wait(client, thread_id, "slow", input={"text": "0"})
    assert response.status_code == 200
    assert response.json() == {"text": "0", "log": ["0 steps"]}


def test_it_tells_where_to_wait_again(client: httpx.Client, thread_id: str) -> None:
    response = wait(client, thread_id, "slow", input={"text": "0"})
    [run] = client.get(f"/threads/{thread_id}/runs").json()
    path = f"/threads/{thread_id}/runs/{run['run_id']}"
    assert response.headers["Content-Location"] == path
    assert response.headers["Location"] == f"{path}/join"
    assert response.headers["Content-Type"] == "application/json"
    assert client.get(response.headers["Location"]).json() == response.json()


def test_the_headers_come_before_the_run_has_ended(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    body = {"assistant_id": "two_steps", "input": {"folder": str(tmp_path)}}
    with Folder(tmp_path) as folder:
        with client.stream("POST", f"/threads/{thread_id}/runs/wait", json=body) as response:
            folder.wait_for_line("second")
            assert client.get(response.headers["Content-Location"]).json()["status"] == "running"
            folder.open("gate")
            response.read()
        assert response.json()["done"] == ["first", "second"]


def test_a_run_that_fails_is_an_error_in_the_answer(client: httpx.Client, thread_id: str) -> None:
    response = wait(client, thread_id, "fails", input={"text": "x"})
    assert response.status_code == 200
    assert response.json() == {"__error__": {"error": "ValueError", "message": "boom: x"}}


def test_a_run_that_takes_too_long_is_an_error_in_the_answer(client: httpx.Client, thread_id: str) -> None:
    answer = wait(client, thread_id, "slow", input={"text": "50"}, timeout_seconds=0.2).json()
    assert answer["__error__"]["error"] == "TimeoutError"


def test_one_interrupt_stands_beside_the_values(client: httpx.Client, thread_id: str) -> None:
    answer = wait(client, thread_id, "interrupting", input={"question": "sure?"}).json()
    [interrupt] = answer.pop("__interrupt__")
    assert answer == {"question": "sure?", "answers": []}
    assert interrupt["value"] == {"question": "sure?"}
    assert interrupt["id"]


def test_several_interrupts_stand_alone_in_the_order_of_their_nodes(client: httpx.Client) -> None:
    for _ in range(6):
        answer = wait(client, create_thread(client), "parallel_interrupts", input={"question": "?"}).json()
        assert answer.keys() == {"__interrupt__"}
        assert [interrupt["value"] for interrupt in answer["__interrupt__"]] == ["left", "right"]


def test_an_answered_interrupt_is_no_longer_there(client: httpx.Client, thread_id: str) -> None:
    wait(client, thread_id, "interrupting", input={"question": "sure?"})
    answer = wait(client, thread_id, "interrupting", command={"resume": "yes"}).json()
    assert answer == {"question": "sure?", "answers": ["yes", "done"]}


def test_it_waits_for_the_runs_before_its_own(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as clients, Folder(tmp_path) as folder:
        first = clients.submit(wait, client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        second = clients.submit(wait, client, thread_id, "slow", input={"text": "0"})
        assert not second.done()
        folder.open("gate")
        assert first.result().json()["done"] == ["first", "second"]
        assert second.result().json()["log"] == ["0 steps"]


def test_a_run_that_is_cancelled_answers_with_what_it_has_reached(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as clients, Folder(tmp_path) as folder:
        waiting = clients.submit(wait, client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        client.post("/runs/cancel", json={"status": "running"}).raise_for_status()
        assert waiting.result().json() == {**folder.input, "done": ["first"]}


@pytest.mark.parametrize("what", ["run", "thread"])
def test_a_run_that_is_deleted_is_an_error_in_the_answer(
    client: httpx.Client, thread_id: str, tmp_path: Path, what: str
) -> None:
    with ThreadPoolExecutor(1) as clients, Folder(tmp_path) as folder:
        waiting = clients.submit(wait, client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        [run] = client.get(f"/threads/{thread_id}/runs").json()
        path = f"/threads/{thread_id}"
        client.delete(f"{path}/runs/{run['run_id']}" if what == "run" else path).raise_for_status()
        with at_once():
            answer = waiting.result().json()
        assert answer["__error__"]["message"] == f"Run with ID {run['run_id']} not found"


def test_a_missing_thread_is_created_on_request(client: httpx.Client) -> None:
    missing = uuid.uuid4()
    body = {"input": {"text": "0"}, "if_not_exists": "create"}
    assert wait(client, missing, "slow", **body).json()["log"] == ["0 steps"]


def test_what_cannot_be_run_is_refused_before_it_waits(client: httpx.Client, thread_id: str) -> None:
    unknown = uuid.uuid4()
    refused = [
        (wait(client, unknown, "slow"), 404, f"Thread with ID {unknown} not found"),
        (wait(client, "mine", "slow"), 422, "Invalid thread ID: must be a UUID"),
        (wait(client, thread_id, "nobody"), 422, "Invalid assistant: 'nobody'"),
        (wait(client, thread_id, str(unknown)), 404, f"Assistant {unknown} not found"),
        (wait(client, thread_id, "slow", durability="for ever"), 422, "durability: "),
    ]
    for response, status, detail in refused:
        assert response.status_code == status
        assert response.json()["detail"].startswith(detail)
    assert client.get(f"/threads/{thread_id}/runs").json() == []


def test_a_foreign_thread_does_not_exist(client: httpx.Client, foreign_thread_id: str) -> None:
    response = wait(client, foreign_thread_id, "slow", input={"text": "0"})
    assert response.status_code == 404
    assert response.json()["detail"] == f"Thread with ID {foreign_thread_id} not found"


def test_a_busy_thread_may_be_a_conflict(client: httpx.Client, thread_id: str, tmp_path: Path) -> None:
    body = {"assistant_id": "two_steps", "input": {"folder": str(tmp_path)}}
    with (
        Folder(tmp_path) as folder,
        client.stream("POST", f"/threads/{thread_id}/runs/wait", json=body),
    ):
        folder.wait_for_line("second")
        response = wait(client, thread_id, "slow", multitask_strategy="reject")
        assert response.status_code == 409
        assert response.json()["detail"].startswith("Thread is already running a task.")


def test_silence_is_filled_with_line_breaks(platform_client: httpx.Client, tmp_path: Path) -> None:
    body = {"assistant_id": "two_steps", "input": {"folder": str(tmp_path)}}
    path = f"/threads/{create_thread(platform_client)}/runs/wait"
    with Folder(tmp_path) as folder, platform_client.stream("POST", path, json=body) as response:
        parts = response.iter_raw()
        assert next(parts) + next(parts) == b"\n\n"
        folder.open("gate")
        rest = b"".join(parts)
    assert rest.lstrip(b"\n").startswith(b"{")


@pytest.mark.parametrize("on_disconnect", [None, "continue"])
def test_a_run_goes_on_when_its_client_leaves_unless_it_is_to_be_cancelled(
    client: httpx.Client, thread_id: str, tmp_path: Path, on_disconnect: str | None
) -> None:
    left: list[str] = []
    with Folder(tmp_path) as folder:
        for number, how in enumerate((on_disconnect, "cancel"), start=1):
            body = {"assistant_id": "two_steps", "input": folder.input, "on_disconnect": how}
            path = f"/threads/{create_thread(client) if left else thread_id}/runs/wait"
            with client.stream("POST", path, json=body) as response:
                folder.wait_for_line("second", times=number)
            left.append(response.headers["Content-Location"])
        with at_once():
            assert status_in_the_end(client, left[1]) == "interrupted"
        # The server had noticed this one earlier.
        assert client.get(left[0]).json()["status"] == "running"
        folder.open("gate")
        assert status_in_the_end(client, left[0]) == "success"


@pytest.mark.parametrize(("on_disconnect", "status"), [(None, "success"), ("cancel", "interrupted")])
def test_what_becomes_of_a_created_run_whose_client_leaves(
    client: httpx.Client, thread_id: str, tmp_path: Path, on_disconnect: str | None, status: str
) -> None:
    with Folder(tmp_path) as folder:
        with pytest.raises(httpx.ReadTimeout):
            client.post(
                f"/threads/{thread_id}/runs",
                json={
                    "assistant_id": "two_steps",
                    "input": folder.input,
                    "on_disconnect": on_disconnect,
                },
                timeout=1,
            )
        folder.wait_for_line("second")
        [run] = client.get(f"/threads/{thread_id}/runs").json()
        if status == "success":
            folder.open("gate")
        with at_once():
            assert status_in_the_end(client, f"/threads/{thread_id}/runs/{run['run_id']}") == status


def test_the_thread_goes_on_after_a_run_that_was_left(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    body = {"assistant_id": "two_steps", "input": {"folder": str(tmp_path)}, "on_disconnect": "cancel"}
    with Folder(tmp_path) as folder, client.stream("POST", f"/threads/{thread_id}/runs/wait", json=body):
        folder.wait_for_line("second")
    assert execute(client, thread_id, "echo", input=human("hi"))["status"] == "success"
