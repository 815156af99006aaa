from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

from bench.database import Postgres
from bench.growth.served import CallsFailed, Served, served
from bench.measures.calls import runs_of, streams_of
from bench.meter import Meter
from bench.table import markdown, show
from bench.targets import Server, Work

PARTIES = ("web", "worker", "db")
EVENTS = 2000
RUNS, STREAMS = 320, 32
WRITTEN = """
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint,
    pg_total_relation_size('runs_runevent'), pg_database_size(current_database())
"""


def measure(postgres: Postgres, options: argparse.Namespace) -> Iterator[str]:
    """What a run, a node and an event take: of each process's CPU, of Postgres's own log (WAL), of disk."""
    streamed = Work("custom", f"emit {EVENTS}x0", events=EVENTS)
    with served(postgres) as server:
        run = _costs(server, Work("echo"), RUNS, 16)
        steps = _costs(server, Work("steps"), RUNS // 4, 16)
        stream = _costs(server, streamed, STREAMS, 4)
    nodes = [(more - one) / 19 for more, one in zip(steps, run, strict=True)]
    events = [(more - one) / EVENTS for more, one in zip(stream, run, strict=True)]
    header = ["", *(f"{party} CPU, ms" for party in PARTIES), "WAL, bytes", "log table, bytes", "disk, bytes"]
    rows = [
        ["a run of one node", *map(show, run)],
        ["each further node", *map(show, nodes)],
        ["each event", *(f"{cost:.4f}" for cost in events[:3]), *map(show, events[3:])],
    ]
    yield markdown(header, rows)


def _costs(server: Served, work: Work, calls: int, at_a_time: int) -> list[float]:
    """Of one such run."""
    played = partial(_play, work=work, calls=calls, at_a_time=at_a_time)
    before = server.execute(WRITTEN)[0]
    cpu = server.play(played)
    after = server.execute(WRITTEN)[0]
    warm = calls + max(5, at_a_time)
    written = [(late - early) / warm for late, early in zip(after, before, strict=True)]
    return [*(cpu[party] for party in PARTIES), *written]


async def _play(server: Server, meter: Meter, *, work: Work, calls: int, at_a_time: int) -> dict[str, Any]:
    """CPU in ms a call."""
    prepared: Any = streams_of(server, work, "custom") if work.task == "custom" else runs_of(server, work)
    sample = await meter.load("costs", prepared, calls, at_a_time=at_a_time)
    if sample.errors:
        raise CallsFailed(sample.first_error)
    return dict(sample.report()["cpu"])
