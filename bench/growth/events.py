from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

from bench.client import Client, Events
from bench.contestants import ENVIRONMENT
from bench.database import ROOT, Postgres
from bench.growth.served import CallsFailed, Served, median_ms, served
from bench.growth.statements import listened_to
from bench.measures.calls import runs_of, streams_of
from bench.meter import Meter
from bench.processes import DoesNotStart
from bench.samples import quantiles
from bench.table import markdown, show
from bench.targets import Server, Work, WrongAnswer

EVENTS_PER_RUN = 200
RUNS_PER_THREAD = 10
AT_ONCE = 1_000_000  # events that one statement fills in
# Like the latest run. Every other one has ended ten days ago, the rest an hour ago.
THREADS_AND_RUNS = """
WITH made AS (
    INSERT INTO threads_thread (id, status, settled_status, metadata, config, temporary, ttl_strategy,
        created_at, updated_at, state_updated_at)
    SELECT uuidv7(interval '-11 days'), 'idle', 'idle', '{}', '{}', false, 'delete', now(), now(), now()
    FROM generate_series(1, %(threads)s::int)
    RETURNING id
)
INSERT INTO runs_run (id, thread_id, assistant_id, job_id, status, kwargs, metadata, multitask_strategy,
    attempt, lost, cancel_action, created_at, updated_at, started_at, finished_at)
SELECT uuidv7(age), made.id, real.assistant_id, 0, 'success', real.kwargs, real.metadata, 'enqueue', 1, 0, '',
    now() + age, now() + age, now() + age, now() + age
FROM made, (SELECT * FROM runs_run ORDER BY id DESC LIMIT 1) AS real,
    generate_series(1, %(runs_per_thread)s::int) AS n,
    LATERAL (SELECT CASE WHEN n %% 2 = 0 THEN interval '-10 days' ELSE interval '-1 hour' END AS age) ages
"""
FILL = """
INSERT INTO runs_runevent (run_id, seq, event, data, created_at)
SELECT run.id, seq, CASE WHEN seq = %(events)s THEN 'end' ELSE 'messages' END,
    '[{"content": "' || md5(seq::text) || '", "type": "AIMessageChunk", "id": "run--' || run.id || '"},'
    || ' {"langgraph_node": "paced", "langgraph_step": 1}]', run.finished_at
FROM (
    SELECT id, finished_at FROM runs_run WHERE id > %(after)s::uuid AND job_id = 0 ORDER BY id LIMIT %(runs)s
) run, generate_series(1, %(events)s::int) AS seq
"""
MIDDLE = """
SELECT thread_id, id FROM runs_run WHERE job_id = 0
ORDER BY id OFFSET (SELECT count(*) / 2 FROM runs_run WHERE job_id = 0) LIMIT 1
"""
LAST = "SELECT run_id FROM runs_runevent ORDER BY run_id DESC LIMIT 1"
COUNT = "SELECT count(*) FROM runs_runevent JOIN runs_run ON id = run_id WHERE job_id = 0"
SIZE = "SELECT pg_relation_size('runs_runevent'), pg_indexes_size('runs_runevent')"


def measure(postgres: Postgres, options: argparse.Namespace) -> Iterator[str]:
    """A log of many events: runs beside it, reading again, and deleting its older half."""
    with served(postgres, SKEINO_EVENT_RETENTION_HOURS="none") as server:
        empty = server.play(_time_all)
        _say(f"filling in {options.events:,} events")
        begun = time.monotonic()
        _fill(server, options.events)
        _say(f"filled in after {time.monotonic() - begun:.0f} s")
        full = server.play(_time_all) | {"reading 200 events again, p50 ms": _time_replay(server)}
        heap, indexes = server.execute(SIZE)[0]
        rows = [[name, show(empty[name]) if name in empty else "–", show(full[name])] for name in full]
        yield markdown(["", "with an empty log", f"with {options.events:,} events"], rows)
        yield from _prune(postgres, server, options.events, heap + indexes)


def _prune(postgres: Postgres, server: Served, events: int, size: int) -> Iterator[str]:
    there = server.execute(COUNT)[0][0]
    pruned, during = _pruned(server)
    deleted = there - server.execute(COUNT)[0][0]
    begun = time.monotonic()
    server.execute("VACUUM ANALYZE runs_runevent")
    vacuumed = time.monotonic() - begun
    with listened_to(postgres, server.database_url) as statements:
        _pruned(server)
    plan = statements.plan("DELETE FROM runs_runevent")
    rows = [
        ["size with its indexes, bytes an event", show(size / events)],
        ["events deleted", f"{deleted:,}"],
        ["deleted a second", show(deleted / pruned)],
        ["runs meanwhile, p50 and p95 ms", f"{show(during['p50'])}, {show(during['p95'])}"],
        ["VACUUM after it, s", show(vacuumed)],
        ["looking again, when nothing is left to delete, ms", show(plan.ms) if plan else "–"],
    ]
    yield markdown(["deleting the older half", ""], rows)
    yield f"The plan of looking again: {plan}"


def _pruned(server: Served) -> tuple[float, dict[str, float]]:
    """How long it took, in seconds, and quantiles of runs that were executed meanwhile."""
    command = [sys.executable, "manage.py", "runs", "prune", "--older-than", "5d", "--logs", "--yes"]
    environment = ENVIRONMENT | {"DATABASE_URL": server.database_url}
    begun = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=sys.stderr) as pruning:
        during = server.play(partial(_run_until_ended, process=pruning))
    if pruning.returncode:
        raise DoesNotStart(f"{' '.join(command)} ended with status {pruning.returncode}")
    return time.monotonic() - begun, during


def _fill(server: Served, events: int) -> None:
    runs = events // EVENTS_PER_RUN
    counts = {"threads": max(1, runs // RUNS_PER_THREAD), "runs_per_thread": RUNS_PER_THREAD}
    server.execute(THREADS_AND_RUNS, counts)
    server.execute("DELETE FROM runs_runevent")
    after, step = "00000000-0000-0000-0000-000000000000", AT_ONCE // EVENTS_PER_RUN
    for first in range(0, runs, step):
        values = {"events": EVENTS_PER_RUN, "after": after, "runs": min(step, runs - first)}
        server.execute(FILL, values)
        after = server.execute(LAST)[0][0]
    server.execute("VACUUM ANALYZE")


async def _time_all(server: Server, meter: Meter) -> dict[str, float]:
    tokens = streams_of(server, Work("tokens", "emit 200x0", events=200), server.token_mode)
    loads = [
        await meter.load("run", runs_of(server, Work("echo")), 40),
        await meter.load("runs", runs_of(server, Work("echo")), 160, at_a_time=16),
        await meter.load("events", tokens, 48, at_a_time=16, weight=200),
    ]
    if errors := [sample.first_error for sample in loads if sample.errors]:
        raise CallsFailed(errors[0])
    run, runs, events = (sample.report() for sample in loads)
    return {"a run, p50 ms": run["p50"], "runs/s at 16": runs["rate"], "events/s at 16": events["rate"]}


def _time_replay(server: Served) -> float:
    """Of a run in the middle of the log."""
    thread_id, run_id = server.execute(MIDDLE)[0]

    async def replay() -> None:
        events = Events()
        path = f"/threads/{thread_id}/runs/{run_id}/stream"
        reply = await Client(server.endpoint.url).call("GET", path, None, events)
        if reply.status != 200 or len(events.data) != EVENTS_PER_RUN - 1:
            raise WrongAnswer(f"{reply.status}, {len(events.data)} events")

    async def load(there: Server, meter: Meter) -> float:
        return await median_ms(meter, replay, 20)

    return server.play(load)


async def _run_until_ended(
    server: Server, meter: Meter, *, process: subprocess.Popen[bytes]
) -> dict[str, float]:
    """Quantiles of runs one at a time meanwhile, at least one."""
    values: list[float] = []
    while process.poll() is None or not values:
        thread_id = await server.create_thread()
        begun = time.monotonic()
        await server.run(thread_id, Work("echo"))
        values.append(1000 * (time.monotonic() - begun))
    return quantiles(values)


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)
