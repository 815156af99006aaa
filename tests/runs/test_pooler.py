"""A server behind a pooler in transaction mode: who is connected where, and that all goes well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
from pytest_django import Settings

from runs import connections as parameters
from tests import pgbouncer
from tests.live import TEST_GRAPHS, serving
from tests.runs.api import human

GRAPHS = TEST_GRAPHS.with_name("langgraph_operations.json")
POOL_SIZE = 3
THREADS = 12


def named(url: str, application: str) -> str:
    """The URL for connections that Postgres shows under that name."""
    return f"{url}{'&' if '?' in url else '?'}application_name={application}"


def connections(url: str) -> list[tuple[str, str]]:
    """By which name each is connected, and what it did last."""
    with psycopg.connect(url) as database:
        rows = database.execute(
            "SELECT application_name, query FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return [(name, query.strip()) for name, query in rows]


def execute(url: str, assistant_id: str, graph_input: Any) -> dict[str, Any]:
    with httpx.Client(base_url=url, timeout=30) as client:
        thread = client.post("/threads", json={}).json()["thread_id"]
        body = {"assistant_id": assistant_id, "input": graph_input}
        return dict(client.post(f"/threads/{thread}/runs/wait", json=body).raise_for_status().json())


def stream(url: str, assistant_id: str, graph_input: Any) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        thread = client.post("/threads", json={}).json()["thread_id"]
        body = {"assistant_id": assistant_id, "input": graph_input}
        assert client.post(f"/threads/{thread}/runs/stream", json=body).raise_for_status().text


def test_without_a_pooler_there_is_one_address(settings: Settings) -> None:
    assert settings.SKEINO_DIRECT_DATABASE_URL is None
    assert parameters.pooled() == parameters.direct()
    assert parameters.pooled()["prepare_threshold"] is not None


def test_with_a_pooler_only_direct_connections_prepare_statements(settings: Settings) -> None:
    settings.SKEINO_DIRECT_DATABASE_URL = "postgresql://ada@db.example:5433/skeino"
    assert parameters.pooled()["prepare_threshold"] is None
    assert {key: parameters.direct()[key] for key in ("host", "port", "dbname", "user")} == {
        "host": "db.example",
        "port": "5433",
        "dbname": "skeino",
        "user": "ada",
    }


def test_what_listens_and_what_writes_events_is_connected_directly_and_nothing_else(
    fresh_database: Callable[[], str],
) -> None:
    url = fresh_database()
    by_pooler, past_it = named(url, "pooled"), named(url, "direct")
    with serving(by_pooler, langgraph_json=GRAPHS, SKEINO_DIRECT_DATABASE_URL=past_it) as server:
        execute(server, "echo", human("hi"))
        execute(server, "users", {})
        stream(server, "echo", human("hi"))
        found = connections(url)
    direct = [query for name, query in found if name == "direct"]
    pooled = [query for name, query in found if name == "pooled"]
    assert len(direct) == 3
    assert len(channels := [query for query in direct if query.startswith("LISTEN")]) == 2
    assert any("skeino_run_events" in query for query in channels)
    assert any("INSERT INTO runs_runevent" in query for query in direct)
    assert pooled
    assert not [query for query in pooled if query.startswith(("LISTEN", "SET "))]


@pgbouncer.needed
async def test_a_server_works_through_a_pooler_with_fewer_connections_than_it_has_itself(
    fresh_database: Callable[[], str],
) -> None:
    url = fresh_database()
    with (
        pgbouncer.pooling(url, pool_size=POOL_SIZE) as through_pooler,
        serving(
            through_pooler, langgraph_json=GRAPHS, SKEINO_DIRECT_DATABASE_URL=named(url, "direct")
        ) as server,
    ):
        async with httpx.AsyncClient(base_url=server, timeout=60) as client:
            await asyncio.gather(*(converse(client, number) for number in range(THREADS)))
            found = (await client.post("/threads/search", json={"limit": 100})).json()
        assert len(connections(url)) <= 3 + POOL_SIZE
    assert len(found) == THREADS
    assert {thread["status"] for thread in found} == {"idle"}


async def converse(client: httpx.AsyncClient, number: int) -> None:
    """Use all that uses the database: models, checkpoints, store, queue and log."""
    thread = (await client.post("/threads", json={})).json()["thread_id"]

    async def run(assistant_id: str, **body: Any) -> Any:
        response = await client.post(
            f"/threads/{thread}/runs/wait", json={"assistant_id": assistant_id, **body}
        )
        assert response.status_code == 200, response.text
        assert "__error__" not in response.json(), response.text
        return response.json()

    await run("users", input={})
    assert (await run("users", input={}))["counts"] == [0, 0, 0, 0]
    assert (await run("remembering", input={"text": str(number)}))["log"]
    await run("interrupting", input={})
    await run("interrupting", command={"resume": "yes"})
    async with client.stream(
        "POST", f"/threads/{thread}/runs/stream", json={"assistant_id": "slow", "input": {"text": "1"}}
    ) as stream:
        assert "event: values" in [line async for line in stream.aiter_lines()]
    history = await client.get(f"/threads/{thread}/history?limit=100")
    assert len(history.json()) >= 10
    assert (await client.patch(f"/threads/{thread}", json={"metadata": {"n": number}})).status_code == 200
