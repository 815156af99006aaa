"""``python -m tests.console.timings``: how long pages of the admin take on many threads, as a table.

On a fresh database: some minutes for 100,000 threads, nearly all to make them.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.console.standalone import fresh_database

TIMES = 7
UPDATES = 1000
ROUNDS = 4

# What a run does last to its thread's row.
SETTLE = """
UPDATE threads_thread SET status = 'idle', settled_status = 'idle', interrupts = NULL, error = NULL,
    values = jsonb_set(values, '{turn}', to_jsonb(%s::int)), state_updated_at = now(), updated_at = now()
WHERE id = %s
"""
HOT = """
SELECT pg_stat_get_tuples_updated(c), pg_stat_get_tuples_hot_updated(c)
FROM (SELECT 'threads_thread'::regclass::oid, pg_stat_force_next_flush()) s (c)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=100_000)
    parser.add_argument("--checkpoints", type=int, default=2000)
    options = parser.parse_args()
    with fresh_database():
        logging.disable(logging.WARNING)
        from assistants.models import Assistant
        from tests.console import many

        _say(f"making {options.threads:,} threads")
        Assistant.objects.sync()
        many.make_threads(options.threads)
        _say("indexing what they say")
        filled = _fill()
        _say(f"making a thread of {options.checkpoints:,} checkpoints")
        thread = many.make_history(options.checkpoints)
        _say("asking for pages")
        print(report(thread))
        print(filled)
        print(settling())


def report(long: Any) -> str:
    """A row for each page: its queries and its time. ``long`` is the thread with many checkpoints."""
    from django.contrib.auth.models import User
    from django.test import Client, override_settings

    user, _made = User.objects.get_or_create(username="timer", is_staff=True, is_superuser=True)
    lines = ["| page | queries | p50 | of | kB |", "|---|---:|---:|---:|---:|"]
    with override_settings(ALLOWED_HOSTS=["*"]):
        client = Client()
        client.force_login(user)
        for name, url in pages(long).items():
            queries, took, size = _asked(client, url)
            shown = f"{statistics.median(took):.0f} ms | {min(took):.0f}–{max(took):.0f} ms"
            lines.append(f"| {name} | {queries} | {shown} | {size / 1000:.0f} |")
    return "\n".join(lines)


def pages(long: Any) -> dict[str, str]:
    from assistants.models import Assistant
    from runs.models import Run
    from tests.console.pages import url
    from threads.models import Thread

    threads, found = url(Thread, "changelist"), Thread.objects.filter(message_count=20)
    one, run = found.order_by("-id")[1000:1001].get(), Run.objects.order_by("-id")[1000:1001].get()
    assistant = Assistant.objects.get(graph_id="agent")
    common, other = _said_often()
    searches = {
        "a word of ten threads": str(one_of(one))[:-1],
        "a word of every thread": common,
        "two of them": f"{common} {other}",
        "how they begin": f"{common[:4]} {other[:4]}",
        "a word that nobody said": "nothingofthekind",
        "an id": str(one.pk),
    }
    return {
        "the list of threads": threads,
        "… its tenth page": f"{threads}?p=10",
        "… of those with an error": f"{threads}?status__exact=error",
        "… of an assistant": f"{threads}?assistant={assistant.pk}",
        **{f"… searched for {name}": f"{threads}?q={term}" for name, term in searches.items()},
        "a thread": url(one, "change", one.pk),
        **{f"… its {panel}": url(one, panel, one.pk) for panel in ("conversation", "state", "runs", "graph")},
        "a thread with many checkpoints": url(long, "change", long.pk),
        "… its checkpoints": url(long, "checkpoints", long.pk),
        "the list of runs": url(Run, "changelist"),
        "a run": url(run, "change", run.pk),
        "where an assistant is used": url(assistant, "used", assistant.pk),
        "the dashboard": url(Run, "dashboard"),
    }


def one_of(thread: Any) -> str:
    """The word that the thread alone has."""
    return str(thread.values["messages"][-1]["content"])


def settling() -> str:
    """What the last update of a run costs with the index by which changed threads are found, and without."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = 'thread_state_updated'")
        if not cursor.fetchone()[0]:
            return "There is no index by time of change: Postgres is older than 16."
        cursor.execute("SELECT pg_get_indexdef('thread_state_updated'::regclass)")
        definition = cursor.fetchone()[0]
    _settled(UPDATES)  # pages that were filled to the last byte have room for no second version
    took: dict[bool, list[float]] = {True: [], False: []}
    hot: dict[bool, list[float]] = {True: [], False: []}
    for with_index in [True, False, False, True] * ROUNDS:
        with connection.cursor() as cursor:
            if not with_index:
                cursor.execute("DROP INDEX IF EXISTS thread_state_updated")
            else:
                cursor.execute(definition.replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS"))
        micros, part = _settled(UPDATES)
        took[with_index].append(micros)
        hot[with_index].append(part)
    told = [
        f"{'with' if with_index else 'without'} the index {statistics.median(took[with_index]):.0f} µs, "
        f"at best {min(took[with_index]):.0f} µs, {statistics.mean(hot[with_index]):.0%} HOT"
        for with_index in took
    ]
    return "The last update of a run: " + "; ".join(told) + "."


def _settled(count: int) -> tuple[float, float]:
    """Microseconds of one update, and the part of them that touched no index."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM threads_thread")
        cursor.execute(
            "SELECT id FROM threads_thread WHERE message_count = 20 ORDER BY md5(id::text) LIMIT 500"
        )
        ids = [row[0] for row in cursor.fetchall()]
        before = _updates(cursor)
        begun = time.perf_counter()
        for turn in range(count):
            cursor.execute(SETTLE, [turn, ids[turn % len(ids)]])
        took = time.perf_counter() - begun
        updated, hot = (after - earlier for after, earlier in zip(_updates(cursor), before, strict=True))
    return took / count * 1e6, hot / updated


def _updates(cursor: Any) -> tuple[int, int]:
    """Of threads, and how many of them were HOT: what a statement asks to be counted the next one sees."""
    for _ in range(2):
        cursor.execute(HOT)
        found: tuple[int, int] = cursor.fetchone()
    return found


def _fill() -> str:
    from django.db import connection

    from threads.text_search import ThreadText

    seconds = _timed(lambda: ThreadText.objects.fill(seconds=7200))
    count = ThreadText.objects.count()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE threads_threadtext")
        cursor.execute("SELECT pg_total_relation_size('threads_threadtext') / 1e6")
        size = cursor.fetchone()[0]
    idle = _timed(lambda: ThreadText.objects.fill(seconds=60))
    whole = _timed(lambda: ThreadText.objects.fill(seconds=60, everywhere=True))
    return (
        f"Indexing: {count / seconds:.0f} threads a second, {size:.0f} MB; a look at what has changed "
        f"{idle * 1000:.0f} ms, at all threads {whole * 1000:.0f} ms."
    )


def _said_often() -> list[str]:
    from django.db import connection

    with connection.cursor() as cursor:
        sample = "SELECT words FROM threads_threadtext LIMIT 1000"
        cursor.execute("SELECT word FROM ts_stat(%s) ORDER BY ndoc DESC, word LIMIT 2", [sample])
        return [row[0] for row in cursor.fetchall()]


def _asked(client: Any, url: str) -> tuple[int, list[float], int]:
    """Queries, milliseconds of each request but the first two, and bytes."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(url)
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url)
        count = len(queries)
    assert response.status_code == 200, (url, response.status_code)
    took = [_timed(lambda: client.get(url)) * 1000 for _ in range(TIMES)]
    return count, took, len(response.content)


def _timed(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _say(text: str) -> None:
    print(f"{text} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
