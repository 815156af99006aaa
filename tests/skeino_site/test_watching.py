"""What those who watch a real server see when its database fails it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.live import serving

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


def waiting_for_locks(database: str) -> int:
    with psycopg.connect(database) as connection:
        waiting = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int((waiting.fetchone() or [0])[0])
