from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

from bench.database import Postgres
from bench.growth.served import Served, median_ms, served
from bench.growth.statements import listened_to
from bench.meter import Meter
from bench.table import markdown, show
from bench.targets import Server

CALLS = 5
# A thousand threads in ten are interrupted; the numbers tell all threads apart.
FILL = """
INSERT INTO threads_thread (id, status, settled_status, metadata, config, "values", temporary, ttl_strategy,
    created_at, updated_at, state_updated_at)
SELECT uuidv7(n * interval '1 ms' - interval '1 day'), status, status,
    jsonb_build_object('number', n, 'group', (n %% 100)::text, 'graph_id', 'mux'), '{}',
    jsonb_build_object('number', n, 'topic', 't' || n %% 100, 'messages', jsonb_build_array(
        jsonb_build_object('type', 'human', 'content', 'Question ' || n || repeat(' lorem ipsum', 10)),
        jsonb_build_object('type', 'ai', 'content', 'Answer ' || n || repeat(' dolor sit amet', 10)))),
    false, 'delete', at, at, at
FROM (
    SELECT n, CASE WHEN n %% 1000 = 0 THEN 'interrupted' ELSE 'idle' END AS status,
        now() - interval '1 day' + n * interval '1 ms' AS at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
) made
"""
SEARCHES: dict[str, dict[str, Any]] = {
    "the newest": {},
    "the latest updated": {"sort_by": "updated_at"},
    "from the 10,000th": {"offset": 10_000},
    "metadata, 1 thread in 100": {"metadata": {"group": "7"}},
    "metadata, one thread": {"metadata": {"number": 77}},
    "metadata, none": {"metadata": {"number": -1}},
    "values, 1 thread in 100": {"values": {"topic": "t7"}},
    "values, one thread": {"values": {"number": 77}},
    "status, 1 thread in 1,000": {"status": "interrupted"},
}


def measure(postgres: Postgres, options: argparse.Namespace) -> Iterator[str]:
    """Pages of ten threads, of ever more; with the plans at the most."""
    columns: list[dict[str, float]] = []
    with served(postgres) as server:
        there = 0
        for threads in options.threads:
            server.execute(FILL, {"first": there + 1, "last": threads})
            server.execute("VACUUM ANALYZE threads_thread")
            there = threads
            columns.append(server.play(_time_all))
        rows = [[name, *(show(column[name]) for column in columns)] for name in SEARCHES]
        header = ["POST /threads/search, p50 in ms", *(f"{threads:,} threads" for threads in options.threads)]
        yield markdown(header, rows)
        plans = [f"- {name}: {_plan(postgres, server, search)}" for name, search in SEARCHES.items()]
        yield "\n".join([f"The plans at {there:,} threads:", "", *plans])


async def _time_all(server: Server, meter: Meter) -> dict[str, float]:
    return {
        name: await median_ms(meter, partial(server.search, **search), CALLS)
        for name, search in SEARCHES.items()
    }


def _plan(postgres: Postgres, server: Served, search: dict[str, Any]) -> str:
    async def once(there: Server, meter: Meter) -> None:
        await there.search(**search)

    with listened_to(postgres, server.database_url) as statements:
        server.play(once)
    # Quoted, as searches have it: what the worker does to threads meanwhile is written by hand.
    return str(statements.plan('FROM "threads_thread"') or "–")
