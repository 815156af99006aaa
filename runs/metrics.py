"""What this process counts of its work, for Prometheus. What the database knows of all is in `runs.backlog`.

The metrics are in prometheus_client's default registry, as those of the project's own graphs would be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.utils import timezone
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg_pool import AsyncConnectionPool

from runs.events.follower import Event

RUNS_FINISHED = Counter("skeino_runs_finished", "Runs that this process has ended.", ["status"])
RUN_SECONDS = Histogram(
    "skeino_run_duration_seconds",
    "From the start of a run's last attempt to its end, in this process.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200),
)
THREADS_SETTLED = Counter(
    "skeino_threads_settled", "Threads that this process has left with nothing more to run.", ["status"]
)
EVENTS_WRITTEN = Counter("skeino_events_written", "Events that this process has written to the log.")
EVENT_BYTES_WRITTEN = Counter("skeino_event_written_bytes", "The data of these events.")
EVENT_BATCHES_WRITTEN = Counter("skeino_event_batches_written", "The statements that wrote them.")
EVENTS_READ = Counter("skeino_events_read", "Events that this process has read from the log.")
FOLLOWERS = Gauge("skeino_followers", "Streams and requests that wait for a run, open in this process.")

# Series begin at nothing, not with the first event: a rate needs both.
for _status in ("success", "error", "timeout", "interrupted"):
    RUNS_FINISHED.labels(_status)
for _status in ("idle", "interrupted", "error"):
    THREADS_SETTLED.labels(_status)


def count_end(status: str, thread_status: str, events: Iterable[Event]) -> None:
    """A run has ended and left its thread so, and the last events of its log are written."""
    RUNS_FINISHED.labels(status).inc()
    count_left(thread_status)
    count_written(event.data for event in events)


def count_left(thread_status: str) -> None:
    """A run, or an edit of the state, has left its thread so: busy, if there is more to run."""
    if thread_status != "busy":
        THREADS_SETTLED.labels(thread_status).inc()


def observe_duration(started_at: datetime | None) -> None:
    """A run of this process has ended that began then."""
    if started_at is not None:
        RUN_SECONDS.observe((timezone.now() - started_at).total_seconds())


def count_written(data: Iterable[str]) -> None:
    """A batch of events is written."""
    # Most events are ASCII, whose size is known.
    sizes = [len(text) if text.isascii() else len(text.encode()) for text in data]
    EVENTS_WRITTEN.inc(len(sizes))
    EVENT_BYTES_WRITTEN.inc(sum(sizes))
    EVENT_BATCHES_WRITTEN.inc()


class PoolCollector(Collector):
    """The use of the worker's connection pool, as psycopg counts it."""

    COUNTERS = [  # name, help, psycopg's name, how many of psycopg's units make one
        ("requests", "Connections asked for.", "requests_num", 1),
        ("requests_queued", "Of these, those that had to wait.", "requests_queued", 1),
        ("requests_failed", "Of these, those that waited in vain.", "requests_errors", 1),
        ("wait_seconds", "How long they waited, together.", "requests_wait_ms", 1000),
        ("use_seconds", "How long connections were used, together.", "usage_ms", 1000),
        ("connections_lost", "Connections that broke.", "connections_lost", 1),
    ]

    _pool: AsyncConnectionPool[Any] | None = None

    @contextmanager
    def watching(self, pool: AsyncConnectionPool[Any]) -> Iterator[None]:
        before, self._pool = self._pool, pool
        try:
            yield
        finally:
            self._pool = before

    def collect(self) -> Iterator[Metric]:
        if self._pool is None:
            return
        stats = self._pool.get_stats()
        connections = GaugeMetricFamily(
            "skeino_pool_connections", "Connections: how many at most, open, and unused.", labels=["state"]
        )
        for state in ("max", "size", "available"):
            connections.add_metric([state], stats.get(f"pool_{state}", 0))
        yield connections
        yield GaugeMetricFamily("skeino_pool_waiting", "Who waits now.", stats.get("requests_waiting", 0))
        for name, text, key, units in self.COUNTERS:
            yield CounterMetricFamily(f"skeino_pool_{name}", text, stats.get(key, 0) / units)


POOL = PoolCollector()
REGISTRY.register(POOL)
