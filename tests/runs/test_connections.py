from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from django.db import DEFAULT_DB_ALIAS, connection, transaction
from procrastinate.contrib.django.utils import connector_params

from assistants.connections import close_all
from runs.connections import WorkerPool, drop_dead, is_dead, pooled

pytestmark = pytest.mark.usefixtures("engine_db")

PATIENCE = 10.0  # seconds


@pytest.fixture
def database() -> Iterator[psycopg.Connection]:
    """A connection of the test's own."""
    with psycopg.connect(**connector_params(DEFAULT_DB_ALIAS), autocommit=True) as database:
        yield database


@pytest.fixture
def many_open_files() -> Iterator[None]:
    """More than `select` can tell apart, as in a web process with a thousand streams."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2048, hard)), hard))
    with ExitStack() as files:
        for _ in range(1100):
            files.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def backend() -> int:
    connection.ensure_connection()
    return int(connection.connection.info.backend_pid)


def terminate(database: psycopg.Connection, pid: int) -> None:
    """Returns when the server process has gone."""
    database.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


async def plan_cache_mode(pool: WorkerPool) -> str:
    async with pool.connection() as connection:
        found = await (await connection.execute("SHOW plan_cache_mode")).fetchone()
    return str(found[0])


def test_a_connection_is_dead_when_the_server_has_closed_it(database: psycopg.Connection) -> None:
    pid = backend()
    assert not is_dead(connection.connection)
    terminate(database, pid)
    assert is_dead(connection.connection)
    drop_dead()


@pytest.mark.usefixtures("many_open_files")
def test_it_does_not_matter_how_many_files_are_open() -> None:
    with psycopg.connect(**connector_params(DEFAULT_DB_ALIAS)) as database:
        assert not is_dead(database)


def test_a_dead_connection_is_replaced(database: psycopg.Connection) -> None:
    terminate(database, backend())
    drop_dead()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_live_connection_is_kept() -> None:
    pid = backend()
    drop_dead()
    assert backend() == pid


def test_a_threads_connections_are_closed_but_for_one_inside_a_transaction() -> None:
    def closed_after(*, atomic: bool) -> bool:
        with ExitStack() as stack:
            if atomic:
                stack.enter_context(transaction.atomic())
            pid = backend()
            close_all()
            is_closed = connection.connection is None or backend() != pid
        close_all()
        return is_closed

    with ThreadPoolExecutor(1) as thread:
        assert not thread.submit(closed_after, atomic=True).result()
        assert thread.submit(closed_after, atomic=False).result()


async def test_a_pool_that_cannot_connect_tries_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.connections.RECONNECT_SECONDS", 0.01)
    connect, failures = WorkerPool._connect, iter(range(16))

    async def fail_at_first(self: WorkerPool, *args: Any, **kwargs: Any) -> Any:
        for _ in failures:
            raise psycopg.OperationalError("the server is away")
        return await connect(self, *args, **kwargs)

    monkeypatch.setattr(WorkerPool, "_connect", fail_at_first)
    async with asyncio.timeout(PATIENCE), WorkerPool(pooled()) as pool:
        assert await plan_cache_mode(pool) == "force_generic_plan"


async def test_what_workers_prepare_is_planned_once() -> None:
    async with WorkerPool(pooled()) as pool:
        assert await plan_cache_mode(pool) == "force_generic_plan"


async def test_a_pooler_s_connections_are_left_as_they_are() -> None:
    async with WorkerPool(pooled() | {"prepare_threshold": None}) as pool:
        assert await plan_cache_mode(pool) == "auto"
