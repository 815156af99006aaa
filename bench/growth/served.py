"""This server on a database that is filled by SQL."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
import uvloop

from bench.contestants import TOKEN_MODE, Endpoint, this_server
from bench.database import Postgres
from bench.measures.calls import again
from bench.meter import Call, Meter, T
from bench.samples import Parties
from bench.targets import Server

Script = Callable[[Postgres, argparse.Namespace], Iterator[str]]


class CallsFailed(Exception):
    """The message is the first's error."""


@dataclass(frozen=True)
class Served:
    database_url: str
    endpoint: Endpoint
    parties: Parties

    def play(self, load: Callable[[Server, Meter], Awaitable[T]]) -> T:
        """What the load returns, in an event loop of its own."""

        async def on_a_server() -> T:
            server = Server(self.endpoint.url, TOKEN_MODE)
            try:
                return await load(server, Meter(self.parties))
            finally:
                server.close()

        return uvloop.run(on_a_server())

    def execute(
        self, statement: LiteralString, values: dict[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Its rows, if it has any. Foreign keys are not checked: what is filled in here is right."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def served(postgres: Postgres, *, webs: int = 1, workers: int = 1, **settings: str) -> Iterator[Served]:
    """On a fresh database. The parties are the kinds of processes: web, worker and db."""
    with (
        postgres.fresh_database() as url,
        this_server(url, webs=webs, workers=workers, **settings) as endpoint,
    ):
        pids = {"db": [postgres.pid], "web": [endpoint.processes["web"]]}
        pids["worker"] = [pid for name, pid in endpoint.processes.items() if name != "web"]
        yield Served(url, endpoint, Parties(pids))


async def median_ms(meter: Meter, call: Call[Any], calls: int = 10) -> float:
    """Of calls one at a time. Raises CallsFailed."""
    sample = await meter.load(f"call {len(meter.samples)}", again(call), calls)
    if sample.errors:
        raise CallsFailed(sample.first_error)
    return float(sample.report()["p50"])
