"""The three apps in somebody else's project: their users, prefix, authentication, middleware, database."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import psycopg
import pytest
from langgraph_sdk import get_sync_client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.existing_project.running import hosting, manage
from tests.runs.api import create_thread, execute, human, names, payloads, stream

ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture(scope="module")
def database(fresh_database: Callable[[], str]) -> str:
    url = fresh_database()
    manage(url, "migrate")
    with psycopg.connect(url) as connection:
        for email in (ALICE, BOB):
            connection.execute(
                "INSERT INTO members_member (id, email, password) VALUES (%s, %s, '')", [uuid.uuid4(), email]
            )
    return url


@pytest.fixture(scope="module")
def url(database: str) -> Iterator[str]:
    with hosting(database) as url:
        yield url


def client(url: str, **headers: str) -> httpx.Client:
    return httpx.Client(
        base_url=url, headers={k.replace("_", "-"): v for k, v in headers.items()}, timeout=30
    )


@pytest.fixture
def alice(url: str) -> Iterator[httpx.Client]:
    with client(url, x_member=ALICE) as api:
        yield api


@pytest.fixture
def bob(url: str) -> Iterator[httpx.Client]:
    with client(url, x_member=BOB) as api:
        yield api


def socket_url(url: str, thread_id: str, run_id: str) -> str:
    return f"{url.replace('http', 'ws')}/ws/threads/{thread_id}/runs/{run_id}/stream"


def test_the_project_passes_its_checks_and_needs_no_migrations_of_ours(database: str) -> None:
    assert "no issues" in manage(database, "check", "--fail-level", "WARNING")
    assert "No changes detected" in manage(database, "makemigrations", "--check", "--dry-run")


def test_a_run_is_executed_and_streamed(alice: httpx.Client) -> None:
    thread_id = create_thread(alice)
    run = execute(alice, thread_id, "echo", input=human("hi"))
    assert run["status"] == "success"
    events = stream(alice, thread_id, "echo", input=human("again"), stream_mode="values")
    assert names(events)[0] == "metadata"
    assert payloads(events, "values")[-1]["messages"][-1]["content"] == "echo: again"


def test_the_graph_knows_the_projects_user(alice: httpx.Client, database: str) -> None:
    run = alice.post("/runs/wait", json={"assistant_id": "whoami", "input": {"text": ""}}).json()
    with psycopg.connect(database) as connection:
        [key] = connection.execute("SELECT id FROM members_member WHERE email = %s", [ALICE]).fetchone() or []
    assert run["text"] == f"{ALICE} {key}"


def test_a_thread_is_its_owners(alice: httpx.Client, bob: httpx.Client) -> None:
    thread_id = create_thread(alice)
    assert bob.get(f"/threads/{thread_id}").status_code == 404
    assert bob.post(f"/threads/{thread_id}/runs", json={"assistant_id": "echo"}).status_code == 404
    assert thread_id in {one["thread_id"] for one in alice.post("/threads/search", json={}).json()}
    assert bob.post("/threads/search", json={}).json() == []
    assert alice.get(f"/threads/{thread_id}/shares").json() == []
    assert alice.delete(f"/threads/{thread_id}").status_code == 204


def test_who_asks_is_found_out_as_the_project_does(url: str) -> None:
    with client(url) as nobody, client(url, x_member="eve@example.com") as eve:
        for api, detail in ((nobody, "Anmeldedaten fehlen."), (eve, "No member")):
            answer = api.post("/threads", json={})
            assert (answer.status_code, answer.json()) == (401, {"detail": detail})
            assert answer.headers["WWW-Authenticate"] == "Member"


def test_keys_work_beside_it(url: str, database: str) -> None:
    key = manage(database, "apikey", "create", BOB, "--name", "test").strip()
    with client(url, x_api_key=key) as api, client(url, x_member=BOB) as bob:
        thread_id = create_thread(api)
        assert bob.get(f"/threads/{thread_id}").status_code == 200
    assert BOB in manage(database, "apikey", "list")


def test_answers_are_the_apis_whatever_the_project_has_set(alice: httpx.Client) -> None:
    """Its renderers, parsers, versions, dates and handler of errors are for views of its own."""
    text = alice.post("/threads", content="{}", headers={"Authorization": "x", "Content-Type": "text/plain"})
    assert text.headers["Content-Type"] == "application/json"
    run = execute(alice, text.json()["thread_id"], "echo", input=human("hi"))
    for value in (text.json()["created_at"], run["created_at"]):
        assert datetime.fromisoformat(value).utcoffset() is not None
        assert value.endswith("+00:00")
    wrong = alice.post("/threads/search", json={"limit": "many"}, headers={"Accept": "text/html; version=9"})
    assert (wrong.status_code, list(wrong.json())) == (422, ["detail", "errors"])
    assert alice.get("/assistants/nothing").status_code == 422
    assert alice.put("/threads").status_code == 405
    assert alice.options("/threads").status_code == 200


def test_the_projects_middleware_is_passed(alice: httpx.Client) -> None:
    assert alice.get("/info").headers["X-Project"] == "existing"


def test_a_socket_is_opened_by_the_projects_users(alice: httpx.Client, url: str) -> None:
    thread_id = create_thread(alice)
    run = execute(alice, thread_id, "echo", input=human("hi"))
    address = socket_url(url, thread_id, run["run_id"])
    with connect(address, additional_headers={"X-Member": ALICE}) as socket:
        events = [json.loads(message)["event"] for message in socket]
    assert events[0] == "metadata"
    for headers, code in (({"X-Member": BOB}, 4404), ({}, 4401), ({"X-Member": "eve@example.com"}, 4401)):
        with connect(address, additional_headers=headers) as socket, pytest.raises(ConnectionClosed):
            socket.recv(10)
        assert socket.close_code == code


def test_the_sdk_finds_its_way_under_the_prefix(url: str) -> None:
    with get_sync_client(url=url, headers={"X-Member": ALICE}) as sdk:
        thread = sdk.threads.create()["thread_id"]
        values: Any = sdk.runs.wait(thread, "echo", input=human("hi"))
        assert values["messages"][-1]["content"] == "echo: hi"
        parts = list(sdk.runs.stream(thread, "echo", input=human("ho"), stream_mode="values"))
        assert parts[-1].data["messages"][-1]["content"] == "echo: ho"
        run = sdk.runs.create(thread, "echo", input=human("he"))
        assert sdk.runs.join(thread, run["run_id"])
