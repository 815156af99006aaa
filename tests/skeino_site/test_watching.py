"""What those who watch a real server see when its database fails it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql
from websockets.sync.client import connect

from tests.live import serving
from tests.runs.told import Folder

PATIENCE = 20.0  # seconds
WEB_THREADS = 2


@pytest.fixture(scope="module")
def database(fresh_database: Callable[[], str]) -> str:
    return fresh_database()


@pytest.fixture(scope="module")
def live(database: str) -> Iterator[str]:
    with serving(database, SKEINO_WEB_THREADS=str(WEB_THREADS)) as url:
        yield url


@pytest.fixture
def client(live: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live, timeout=10) as client:
        yield client


def wait_for(client: httpx.Client, status: int) -> dict[str, bool | None]:
    """The checks of /ready when it has that status."""
    deadline = time.monotonic() + PATIENCE
    while (response := client.get("/ready")).status_code != status:
        assert time.monotonic() < deadline, response.text
        time.sleep(0.05)
    return dict(response.json()["checks"])


def test_a_server_is_ready_when_its_worker_is(client: httpx.Client) -> None:
    assert wait_for(client, 200) == {"database": True, "migrations": True, "workers": True}


def test_a_server_that_loses_its_database_lives_and_is_not_ready(client: httpx.Client, database: str) -> None:
    wait_for(client, 200)
    name = urlsplit(database).path.removeprefix("/")
    elsewhere = urlsplit(database)._replace(path="/postgres").geturl()
    allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
    with psycopg.connect(elsewhere, autocommit=True) as server:
        server.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            assert wait_for(client, 503)["database"] is False
            assert client.get("/live").status_code == 200
        finally:
            server.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
    wait_for(client, 200)


async def test_probes_do_not_wait_behind_requests(live: str, client: httpx.Client, database: str) -> None:
    wait_for(client, 200)
    async with httpx.AsyncClient(base_url=live, timeout=PATIENCE) as browser:
        with psycopg.connect(database) as locking:
            locking.execute("LOCK TABLE threads_thread IN ACCESS EXCLUSIVE MODE")
            requests = [
                asyncio.create_task(browser.post("/threads/search", json={})) for _ in range(WEB_THREADS + 1)
            ]
            async with asyncio.timeout(PATIENCE):
                while waiting_for_locks(database) < WEB_THREADS:
                    await asyncio.sleep(0.01)
            for path in ("/live", "/ok", "/ready"):
                assert (await browser.get(path)).status_code == 200
            assert not any(request.done() for request in requests)
        assert {(await request).status_code for request in requests} == {200}


async def test_what_reads_does_not_wait_behind_what_writes(fresh_database: Callable[[], str]) -> None:
    database = fresh_database()
    with serving(database, SKEINO_WEB_THREADS="4") as url:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as browser:
            [assistant, *_] = (await browser.post("/assistants/search", json={})).json()
            with psycopg.connect(database) as locking:
                locking.execute("LOCK TABLE threads_thread IN ACCESS EXCLUSIVE MODE")
                requests = [asyncio.create_task(browser.post("/threads", json={})) for _ in range(6)]
                async with asyncio.timeout(PATIENCE):
                    while waiting_for_locks(database) < 3:
                        await asyncio.sleep(0.01)
                found = await browser.get(f"/assistants/{assistant['assistant_id']}")
                assert (found.status_code, waiting_for_locks(database)) == (200, 3)
                assert not any(request.done() for request in requests)
            assert {(await request).status_code for request in requests} == {200}


async def test_who_waits_for_a_run_is_answered_though_connections_were_lost_meanwhile(
    live: str, client: httpx.Client, database: str, tmp_path: Path
) -> None:
    wait_for(client, 200)
    async with httpx.AsyncClient(base_url=live, timeout=PATIENCE) as browser:
        with Folder(tmp_path) as folder:
            threads = [(await browser.post("/threads", json={})).json()["thread_id"] for _ in range(4)]
            body = {"assistant_id": "two_steps", "input": folder.input}
            asked = [
                asyncio.create_task(browser.post(f"/threads/{thread}/runs", json=body)) for thread in threads
            ]
            await folder.await_line("second", times=len(threads))
            end_connections(database)
            folder.open("gate")
        answers = [await answer for answer in asked]
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "success")] * 4


def test_a_socket_is_served_though_the_connection_of_one_before_was_lost(
    live: str, client: httpx.Client, database: str
) -> None:
    thread = client.post("/threads", json={}).json()["thread_id"]
    run = client.post(f"/threads/{thread}/runs", json={"assistant_id": "slow", "input": {"text": "0"}}).json()
    path = f"{live.replace('http', 'ws')}/ws/threads/{thread}/runs/{run['run_id']}/stream"
    for _ in range(2):
        with connect(path) as socket:
            assert json.loads(socket.recv(PATIENCE))["event"] == "metadata"
        end_connections(database)


def end_connections(database: str) -> None:
    """Those of the web process, from the server's side."""
    with psycopg.connect(database, autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'skeino web'"
        )


def waiting_for_locks(database: str) -> int:
    with psycopg.connect(database) as connection:
        waiting = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int((waiting.fetchone() or [0])[0])
