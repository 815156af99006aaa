"""How many database connections processes open at most: what is said of them, and what real ones do."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings
from websockets import connect

from skeino_site import connection_budget
from skeino_site.checks import AVAILABLE, check_connections
from skeino_site.connection_budget import Connections
from tests.live import ROOT, TEST_GRAPHS, serving
from tests.runs.told import Folder
from tests.skeino_site import small_settings
from threads import housekeeping

GRAPHS = TEST_GRAPHS.with_name("langgraph_operations.json")
PATIENCE = 30.0  # seconds


@pytest.fixture
def small(settings: Settings) -> None:
    for name in ("SKEINO_WEB_THREADS", "SKEINO_WORKER_POOL_SIZE", "SKEINO_WORKER_NODE_THREADS"):
        setattr(settings, name, getattr(small_settings, name))


@pytest.mark.usefixtures("small")
async def test_processes_at_their_limits_open_as_many_connections_as_reckoned_and_no_more(
    fresh_database: Callable[[], str], tmp_path: Path
) -> None:
    url = fresh_database()
    expected = {
        "skeino web": sum(connection_budget.web_process()),
        "skeino worker 1": sum(connection_budget.worker_process()),
    }
    # What cleans up has a connection for as long as it takes.
    least = expected | {"skeino worker 1": expected["skeino worker 1"] - housekeeping.THREADS}
    module = small_settings.__name__
    with (
        serving(url, langgraph_json=GRAPHS, DJANGO_SETTINGS_MODULE=module) as server,
        Folder(tmp_path) as folder,
    ):
        async with httpx.AsyncClient(base_url=server, timeout=60) as client:
            load = asyncio.create_task(put_under_load(client, folder))
            highest = dict.fromkeys(expected, 0)
            deadline = time.monotonic() + PATIENCE
            while not load.done():
                assert time.monotonic() < deadline, highest
                found = open_connections(url)
                highest = {name: max(highest[name], found[name]) for name in expected}
                if all(highest[name] >= least[name] for name in least):
                    folder.open("gate")
                await asyncio.sleep(0.01)
            await load
    assert all(least[name] <= highest[name] <= expected[name] for name in expected), highest


def open_connections(url: str) -> Counter[str]:
    """How many there are of each name."""
    with psycopg.connect(url) as database:
        rows = database.execute(
            "SELECT application_name, count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() GROUP BY application_name"
        )
        return Counter(dict(rows.fetchall()))


async def put_under_load(client: httpx.AsyncClient, folder: Folder) -> None:
    """More of everything than there are threads and connections for, until the folder's gate is open."""
    created = await asyncio.gather(*(client.post("/threads", json={}) for _ in range(40)))
    thread_ids = [response.json()["thread_id"] for response in created]

    async def run(thread_id: str, assistant_id: str, run_input: object) -> None:
        body = {"assistant_id": assistant_id, "input": run_input, "durability": "sync"}
        response = await client.post(f"/threads/{thread_id}/runs/stream", json=body)
        assert response.status_code == 200, response.text

    async def run_later(thread_id: str) -> None:
        body = {"assistant_id": "remembering", "input": {"text": thread_id}, "after_seconds": 0.01}
        response = await client.post(f"/threads/{thread_id}/runs", json=body)
        assert response.status_code == 200, response.text

    async with asyncio.TaskGroup() as group:
        for thread_id in thread_ids[:8]:
            group.create_task(run(thread_id, "holding", folder.input))
        while not folder.is_open("gate"):
            await asyncio.gather(
                *(run(thread_id, "remembering", {"text": thread_id}) for thread_id in thread_ids[8:28]),
                *(run_later(thread_id) for thread_id in thread_ids[28:]),
                *(client.get(path) for path in ("/ready", "/metrics") for _ in range(5)),
                *(ask_by_websocket(client) for _ in range(3)),
            )


async def ask_by_websocket(client: httpx.AsyncClient) -> None:
    """For a run that there is none of."""
    address = str(client.base_url).replace("http:", "ws:")
    unknown = uuid.uuid4()
    async with connect(f"{address}/ws/threads/{unknown}/runs/{unknown}/stream") as socket:
        await socket.wait_closed()
        assert socket.close_code == 4404


@pytest.mark.parametrize("process", [connection_budget.web_process, connection_budget.worker_process])
def test_the_page_on_deployment_has_these_numbers(process: Callable[[], Connections]) -> None:
    assert f" = {sum(process())} |" in (ROOT / "docs" / "deployment.md").read_text()


# The check


def warnings(**kwargs: Any) -> list[str | None]:
    return [message.id for message in check_connections(**kwargs)]


@pytest.fixture
def available(db: None) -> int:
    """How many connections the tests' Postgres takes."""
    with connection.cursor() as cursor:
        cursor.execute(AVAILABLE)
        return int(cursor.fetchone()[0])


def test_processes_that_fit_are_fine(settings: Settings, available: int) -> None:
    settings.SKEINO_WEB_PROCESSES = available // sum(connection_budget.web_process()) - 4
    settings.SKEINO_WORKER_NODE_THREADS = 1
    assert warnings(databases=["default"]) == []


@pytest.mark.parametrize("name", ["SKEINO_WEB_PROCESSES", "SKEINO_WORKER_PROCESSES"])
def test_processes_that_do_not_fit_are_warned_of(settings: Settings, available: int, name: str) -> None:
    setattr(settings, name, 50)
    [message] = check_connections(databases=["default"])
    assert message.id == "skeino_site.W002"
    assert f"Postgres takes {available}" in message.msg
    assert "max_connections" in str(message.hint)


def test_the_last_one_that_fits_is_fine_and_the_next_is_not(settings: Settings, available: int) -> None:
    fixed = sum(connection_budget.all_processes()) - settings.SKEINO_WEB_THREADS
    settings.SKEINO_WEB_THREADS = available - fixed
    assert warnings(databases=["default"]) == []
    settings.SKEINO_WEB_THREADS += 1
    assert warnings(databases=["default"]) == ["skeino_site.W002"]


def test_behind_a_pooler_only_what_goes_past_it_counts(settings: Settings, available: int) -> None:
    settings.SKEINO_DIRECT_DATABASE_URL = "postgresql://db.example/skeino"
    settings.SKEINO_WEB_PROCESSES = settings.SKEINO_WORKER_PROCESSES = available // 3
    assert warnings(databases=["default"]) == []
    settings.SKEINO_WORKER_PROCESSES += 2
    assert warnings(databases=["default"]) == ["skeino_site.W002"]


def test_the_database_is_only_looked_at_where_it_is_asked_for(settings: Settings) -> None:
    settings.SKEINO_WEB_PROCESSES = 1000
    assert warnings(databases=None) == warnings(databases=["other"]) == []


def test_the_command_says_it(settings: Settings, available: int, capsys: pytest.CaptureFixture[str]) -> None:
    settings.SKEINO_WEB_PROCESSES = 1000
    call_command("check", databases=["default"])
    assert "skeino_site.W002" in capsys.readouterr().err
    call_command("check")
    assert "skeino_site.W002" not in capsys.readouterr().err
