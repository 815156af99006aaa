"""What a process counts of its work. The names are a promise: dashboards and alerts hang on them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from runs import worker
from runs.events import reader
from runs.models import Run, RunEvent
from tests.live import ROOT, TEST_GRAPHS, free_port
from tests.runs.api import human
from tests.runs.engine import asubmit, submit, work_off, work_off_by, working
from tests.runs.told import Folder

pytestmark = pytest.mark.usefixtures("engine")


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Change:
    by: float


@contextmanager
def change(name: str, **labels: str) -> Iterator[Change]:
    """By how much a metric grows while the block lasts."""
    watched, before = Change(), value(name, **labels)
    yield watched
    watched.by = value(name, **labels) - before


async def test_runs_are_counted_by_how_they_end() -> None:
    with (
        change("skeino_runs_finished_total", status="success") as well,
        change("skeino_runs_finished_total", status="error") as badly,
        change("skeino_run_duration_seconds_count") as timed,
        change("skeino_run_duration_seconds_sum") as seconds,
    ):
        await asubmit("slow", input={"text": "1"})
        await asubmit("fails", input={"text": "x"})
        await work_off()
    assert (well.by, badly.by, timed.by) == (1, 1, 2)
    assert 0.1 < seconds.by < 10


async def test_a_run_that_never_began_has_ended_and_took_no_time() -> None:
    run = await asubmit("echo")
    with (
        change("skeino_runs_finished_total", status="interrupted") as ended,
        change("skeino_run_duration_seconds_count") as timed,
    ):
        await sync_to_async(run.cancel)()
    assert (ended.by, timed.by) == (1, 0)


async def test_what_is_rolled_back_is_not_counted() -> None:
    def cancel_in_vain() -> None:
        run = submit("echo")
        with pytest.raises(LookupError), transaction.atomic():
            run.cancel()
            raise LookupError

    with change("skeino_runs_finished_total", status="interrupted") as ended:
        await sync_to_async(cancel_in_vain)()
    assert ended.by == 0


async def test_threads_are_counted_by_how_they_are_left() -> None:
    with (
        change("skeino_threads_settled_total", status="idle") as idle,
        change("skeino_threads_settled_total", status="error") as failed,
    ):
        await asubmit("fails", input={"text": "x"})
        first = await asubmit("echo", input=human("hi"))
        await asubmit("echo", thread=first.thread, input=human("again"))
        await work_off()
    assert (idle.by, failed.by) == (1, 1)


async def test_written_events_are_counted() -> None:
    with (
        change("skeino_events_written_total") as rows,
        change("skeino_event_written_bytes_total") as size,
        change("skeino_event_batches_written_total") as batches,
    ):
        await asubmit("echo", input=human("é" * 1000))
        await work_off()
    data = [event.data async for event in RunEvent.objects.all()]
    assert data
    assert (rows.by, size.by) == (len(data), sum(len(text.encode()) for text in data))
    assert 1 <= batches.by <= rows.by


async def test_read_events_are_counted(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = await asubmit("two_steps", input=folder.input, stream_mode=["custom"])
        following = asyncio.create_task(read_all(run))
        with change("skeino_events_read_total") as read:
            async with working():
                folder.open("gate")
                assert await following == ["metadata", "custom"]
        assert read.by == 3  # the end, too


async def read_all(run: Run) -> list[str]:
    return [event.event async for events in reader.follow(run.pk) for event in events]


async def test_the_use_of_a_workers_pool_is_shown_while_there_is_one() -> None:
    async with worker.opened() as opened:
        await asubmit("echo", input=human("hi"))
        await work_off_by(opened)
        assert value("skeino_pool_requests_total") > 0
        assert value("skeino_pool_use_seconds_total") > 0
        assert value("skeino_pool_connections", state="size") >= 2
        assert REGISTRY.get_sample_value("skeino_pool_waiting") == 0
    assert REGISTRY.get_sample_value("skeino_pool_waiting") is None


def test_series_are_there_before_anything_happens() -> None:
    show = "from prometheus_client import generate_latest; print(generate_latest().decode())"
    command = [sys.executable, "-c", f"import django; django.setup(); {show}"]
    output = subprocess.check_output(command, cwd=ROOT, text=True)
    for status in ("success", "error", "timeout", "interrupted"):
        assert f'skeino_runs_finished_total{{status="{status}"}} 0.0' in output


@contextmanager
def worker_process(port: int) -> Iterator[subprocess.Popen[str]]:
    """A real worker on the test database that shows its metrics."""
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    environment = {
        "DATABASE_URL": database.geturl(),
        "LANGGRAPH_JSON": str(TEST_GRAPHS),
        "SKEINO_WORKER_METRICS_PORT": str(port),
    }
    command = [sys.executable, "manage.py", "worker"]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_a_worker_shows_its_metrics_where_it_is_told_to() -> None:
    port = free_port()
    with worker_process(port) as process:
        run = await asubmit("echo", input=human("hi"))
        await asyncio.wait_for(reader.wait_for_end(run.pk), 20)
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        samples = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert samples["skeino_runs_finished_total", "success"] == 1
        assert samples["skeino_events_written_total",] > 0
        assert samples["skeino_pool_requests_total",] > 0
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0


def test_a_port_that_is_in_use_is_named() -> None:
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with worker_process(port) as process:
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.startswith(f"CommandError: SKEINO_WORKER_METRICS_PORT {port} cannot be used: ")
