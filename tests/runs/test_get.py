from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import httpx

from tests.runs.api import create_thread, execute, human


def test_it_shows_the_run_and_what_was_asked_for(client: httpx.Client, thread_id: str) -> None:
    created = execute(client, thread_id, "echo", input=human("hi"), stream_mode="updates", context={"a": 1})
    run = client.get(f"/threads/{thread_id}/runs/{created['run_id']}").json()
    assert run == created
    asked: dict[str, Any] = {"input": human("hi"), "context": {"a": 1}, "stream_mode": ["updates"]}
    defaults: dict[str, Any] = {
        "command": None,
        "config": {},
        "subgraphs": False,
        "resumable": False,
        "durability": "async",
    }
    assert run["kwargs"].items() >= (asked | defaults).items()


def test_its_times_have_offsets_and_microseconds(client: httpx.Client, thread_id: str) -> None:
    run = execute(client, thread_id, "echo", input=human("hi"))
    created, updated = (datetime.fromisoformat(run[name]) for name in ("created_at", "updated_at"))
    assert created.tzinfo and updated.tzinfo
    assert created < updated


def test_an_unknown_run_is_not_found(client: httpx.Client, thread_id: str) -> None:
    missing = uuid.uuid4()
    response = client.get(f"/threads/{thread_id}/runs/{missing}")
    assert response.status_code == 404
    assert response.json() == {"detail": f"Run with ID {missing} not found"}


def test_a_run_of_another_thread_is_not_found(client: httpx.Client, thread_id: str) -> None:
    run = execute(client, thread_id, "echo", input=human("hi"))
    other = create_thread(client)
    assert client.get(f"/threads/{other}/runs/{run['run_id']}").status_code == 404


def test_a_run_of_an_unknown_thread_is_not_found(client: httpx.Client) -> None:
    missing = uuid.uuid4()
    response = client.get(f"/threads/{missing}/runs/{uuid.uuid4()}")
    assert response.status_code == 404
    assert response.json() == {"detail": f"Thread with ID {missing} not found"}


def test_a_run_of_a_foreign_thread_is_not_found(client: httpx.Client, foreign_thread_id: str) -> None:
    response = client.get(f"/threads/{foreign_thread_id}/runs/{uuid.uuid4()}")
    assert response.json() == {"detail": f"Thread with ID {foreign_thread_id} not found"}


def test_a_run_id_that_is_no_uuid_is_unprocessable(client: httpx.Client, thread_id: str) -> None:
    response = client.get(f"/threads/{thread_id}/runs/mine")
    assert response.status_code == 422
    assert response.json()["detail"] == "Invalid run ID: must be a UUID"


def test_a_run_goes_with_its_thread(client: httpx.Client, thread_id: str) -> None:
    run = execute(client, thread_id, "echo", input=human("hi"))
    client.delete(f"/threads/{thread_id}").raise_for_status()
    assert client.get(f"/threads/{thread_id}/runs/{run['run_id']}").status_code == 404
