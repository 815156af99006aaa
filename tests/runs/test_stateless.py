from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from httpx_sse import connect_sse

from tests.runs.api import at_once, human, names, path_of, rejoin, status_in_the_end, told
from tests.runs.told import Folder


@contextmanager
def row_of(database: str, table: str, key: str) -> Iterator[Any]:
    with psycopg.connect(database, row_factory=psycopg.rows.dict_row) as connection:
        yield connection.execute(f"SELECT * FROM {table} WHERE id = %s", [key]).fetchone()


def test_a_run_needs_no_thread(client: httpx.Client) -> None:
    response = client.post("/runs", json={"assistant_id": "slow", "input": {"text": "0"}})
    run = response.json()
    assert response.status_code == 200
    assert run["status"] == "pending"
    assert response.headers["Content-Location"] == f"/runs/{run['run_id']}"
    assert client.get(f"/runs/{run['run_id']}/join").json() == {"text": "0", "log": ["0 steps"]}
    assert client.get(f"/runs/{run['run_id']}").json()["status"] == "success"
    assert client.get(path_of(run)).json()["status"] == "success"


def test_it_is_answered_before_it_has_ended(client: httpx.Client, tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = client.post("/runs", json={"assistant_id": "two_steps", "input": folder.input}).json()
        folder.wait_for_line("second")
        assert client.get(f"/runs/{run['run_id']}").json()["status"] == "running"
        folder.open("gate")
        assert status_in_the_end(client, path_of(run)) == "success"


def test_its_events_are_streamed(client: httpx.Client) -> None:
    body = {"assistant_id": "slow", "input": {"text": "0"}, "stream_mode": ["values", "updates"]}
    with connect_sse(client, "POST", "/runs/stream", json=body) as source:
        events = list(source.iter_sse())
    run_id = events[0].json()["run_id"]
    assert names(events) == ["metadata", "values", "updates", "values"]
    assert source.response.headers["Content-Location"] == f"/runs/{run_id}"
    assert source.response.headers["Location"] == f"/runs/{run_id}/stream"
    assert told(rejoin(client, source.response.headers["Location"])) == told(events)


def test_its_values_are_waited_for(client: httpx.Client) -> None:
    response = client.post("/runs/wait", json={"assistant_id": "slow", "input": {"text": "0"}})
    assert response.json() == {"text": "0", "log": ["0 steps"]}
    assert client.get(response.headers["Location"]).json() == response.json()
    assert client.get(response.headers["Content-Location"]).json()["status"] == "success"


def test_a_broken_stream_goes_on_where_its_location_says(client: httpx.Client, tmp_path: Path) -> None:
    body = {"assistant_id": "two_steps", "stream_mode": ["custom", "updates"], "stream_resumable": True}
    with Folder(tmp_path) as folder:
        with connect_sse(client, "POST", "/runs/stream", json={**body, "input": folder.input}) as source:
            seen = source.iter_sse()
            first = [next(seen) for _ in range(2)]
        folder.open("gate")
        rest = rejoin(client, source.response.headers["Location"], first[-1].id)
    assert names(first + rest) == ["metadata", "updates", "custom", "updates"]
    assert [event.id for event in first + rest] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("path", ["/runs/stream", "/runs/wait"])
@pytest.mark.parametrize(("on_disconnect", "status"), [("continue", "success"), ("cancel", "interrupted")])
def test_what_becomes_of_a_run_whose_client_leaves(
    client: httpx.Client, tmp_path: Path, path: str, on_disconnect: str, status: str
) -> None:
    with Folder(tmp_path) as folder:
        body = {"assistant_id": "two_steps", "input": folder.input, "on_disconnect": on_disconnect}
        with client.stream("POST", path, json=body) as response:
            folder.wait_for_line("second")
        if status == "success":
            folder.open("gate")
        with at_once():
            run = client.get(response.headers["Content-Location"]).json()
            assert status_in_the_end(client, path_of(run)) == status


def test_a_failed_run_is_an_error_in_the_answer(client: httpx.Client) -> None:
    response = client.post("/runs/wait", json={"assistant_id": "fails", "input": {"text": "x"}})
    assert response.json() == {"__error__": {"error": "ValueError", "message": "boom: x"}}


def test_its_thread_is_for_it_alone_and_soon_over(client: httpx.Client, live_database: str) -> None:
    run = client.post("/runs", json={"assistant_id": "slow", "input": {"text": "0"}}).json()
    status_in_the_end(client, path_of(run))
    found = client.post("/threads/search", json={"ids": [run["thread_id"]]}).json()
    assert found == []
    with row_of(live_database, "threads_thread", run["thread_id"]) as thread:
        assert thread["temporary"]
        assert 0 < (thread["expires_at"] - thread["updated_at"]).total_seconds() <= 60


def test_a_thread_that_is_kept_is_one_as_all_others(client: httpx.Client, live_database: str) -> None:
    body = {"assistant_id": "slow", "input": {"text": "0"}, "on_completion": "keep"}
    response = client.post("/runs/wait", json=body)
    [thread_id] = [part for part in response.headers["Location"].split("/") if part.count("-") == 4][:1]
    [thread] = client.post("/threads/search", json={"ids": [thread_id]}).json()
    assert (thread["status"], thread["values"]) == ("idle", response.json())
    with row_of(live_database, "threads_thread", thread_id) as row:
        assert (row["temporary"], row["expires_at"]) == (False, None)


def test_it_may_begin_later(client: httpx.Client) -> None:
    body = {"assistant_id": "slow", "input": {"text": "0"}, "after_seconds": 0.5}
    run = client.post("/runs", json=body).json()
    assert client.get(f"/threads/{run['thread_id']}").json()["status"] == "busy"
    assert names(rejoin(client, f"/runs/{run['run_id']}/stream")) == ["metadata", "values", "values"]


def test_what_is_about_a_threads_other_runs_is_ignored(client: httpx.Client) -> None:
    body = {
        "assistant_id": "echo",
        "input": human("hi"),
        "multitask_strategy": "reject",
        "if_not_exists": "reject",
    }
    assert client.post("/runs/wait", json=body).json()["messages"][-1]["content"] == "echo: hi"


@pytest.mark.parametrize("path", ["/runs", "/runs/stream", "/runs/wait"])
def test_what_cannot_be_run_is_refused(client: httpx.Client, path: str) -> None:
    unknown = str(uuid.uuid4())
    for body, status, detail in (
        ({}, 422, "assistant_id: "),
        ({"assistant_id": "nobody"}, 422, "Invalid assistant: 'nobody'"),
        ({"assistant_id": unknown}, 404, f"Assistant {unknown} not found"),
        ({"assistant_id": "slow", "on_completion": "explode"}, 422, "on_completion: "),
        ({"assistant_id": "slow", "stream_mode": "nope"}, 422, "stream_mode: "),
        (
            {"assistant_id": "slow", "command": {"resume": "yes"}},
            400,
            "You must provide a thread_id when resuming.",
        ),
    ):
        response = client.post(path, json=body)
        assert response.status_code == status
        assert response.json()["detail"].startswith(detail)


@pytest.mark.parametrize("path", ["/runs", "/runs/stream", "/runs/wait", "/runs/batch", "/runs/cancel"])
@pytest.mark.parametrize("content", [b"", b"{", b'"text"', b"null"])
def test_a_body_that_is_none_is_unprocessable(client: httpx.Client, path: str, content: bytes) -> None:
    response = client.post(path, content=content)
    assert response.status_code == 422
    assert isinstance(response.json()["detail"], str)


def test_what_is_not_there_is_not_found(client: httpx.Client) -> None:
    missing = uuid.uuid4()
    response = client.get(f"/runs/{missing}")
    assert (response.status_code, response.json()) == (404, {"detail": f"Run with ID {missing} not found"})
    assert client.get("/runs/mine").status_code == 422


def test_a_run_on_a_thread_is_found_without_it_too(client: httpx.Client, thread_id: str) -> None:
    body = {"assistant_id": "slow", "input": {"text": "0"}}
    run = client.post(f"/threads/{thread_id}/runs", json=body).json()
    assert client.get(f"/runs/{run['run_id']}").json() == run


# --- several at once ---


def test_a_batch_makes_its_runs_in_order(client: httpx.Client) -> None:
    items: list[dict[str, Any]] = [
        {"assistant_id": "slow", "input": {"text": "0"}},
        {"assistant_id": "fails", "input": {"text": "x"}, "assistantId": "fails", "metadata": {"a": 1}},
        {"assistant_id": "echo", "input": human("hi"), "on_completion": "keep"},
    ]
    response = client.post("/runs/batch", json=items)
    runs = response.json()
    assert response.status_code == 200
    assert [run["kwargs"]["input"] for run in runs] == [item["input"] for item in items]
    assert len({run["thread_id"] for run in runs}) == 3
    assert runs[1]["metadata"]["a"] == 1
    ended = [status_in_the_end(client, path_of(run)) for run in runs]
    assert ended == ["success", "error", "success"]


def test_a_batch_may_be_large(client: httpx.Client) -> None:
    items = [{"assistant_id": "slow", "input": {"text": "0"}, "after_seconds": 600}] * 1000
    with at_once(20):
        runs = client.post("/runs/batch", json=items).raise_for_status().json()
    assert len(runs) == 1000
    assert client.post("/runs/cancel", json={"status": "pending"}).status_code == 204
    assert client.get(f"/runs/{runs[0]['run_id']}").json()["status"] == "interrupted"


@pytest.mark.parametrize("size", [0, 1001])
def test_a_batch_has_a_size(client: httpx.Client, size: int) -> None:
    response = client.post("/runs/batch", json=[{"assistant_id": "slow"}] * size)
    assert response.status_code == 422
    assert response.json() == {
        "detail": "A batch has 1 to 1000 runs.",
        "errors": {"non_field_errors": ["A batch has 1 to 1000 runs."]},
    }


@pytest.mark.parametrize(
    ("wrong", "status", "detail"),
    [
        ({"assistant_id": "nobody"}, 422, "Invalid assistant: 'nobody'"),
        ({}, 422, "1.assistant_id: "),
        ({"assistant_id": "slow", "stream_mode": "nope"}, 422, "1.stream_mode: "),
        ({"assistant_id": "slow", "command": {"resume": 1}}, 400, "You must provide a thread_id"),
        ("slow", 422, "1: Invalid data. Expected a dictionary"),
        (None, 422, "1: "),
    ],
)
def test_of_a_batch_with_a_mistake_nothing_is_made(
    client: httpx.Client, live_database: str, wrong: Any, status: int, detail: str
) -> None:
    mark = str(uuid.uuid4())
    good = {"assistant_id": "slow", "input": {"text": "0"}, "metadata": {"mark": mark}}
    response = client.post("/runs/batch", json=[good, wrong, good])
    assert response.status_code == status
    assert response.json()["detail"].startswith(detail)
    with psycopg.connect(live_database) as connection:
        query = "SELECT count(*) FROM runs_run WHERE metadata ->> 'mark' = %s"
        assert connection.execute(query, [mark]).fetchone() == (0,)


def test_a_batch_is_a_list(client: httpx.Client) -> None:
    response = client.post("/runs/batch", json={"assistant_id": "slow"})
    assert response.status_code == 422
    assert response.json()["detail"] == "The request body must be a JSON array"
