from __future__ import annotations

import asyncio
import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from runs import tasks, webhooks
from runs.addresses import AddressRefused
from runs.connections import DatabaseThreads
from runs.deliveries import MAX_ERROR
from runs.exceptions import NoWebhook
from runs.models import Run, WebhookDelivery
from tests.runs.engine import asubmit, at_once, submit, working
from tests.runs.engine import ended as run_ended
from tests.runs.many import finished_runs
from tests.tasks import execute_task

pytestmark = pytest.mark.usefixtures("engine_db")

PATIENCE = 10.0  # seconds


@pytest.fixture(autouse=True)
def private_addresses(settings: Settings) -> None:
    settings.SKEINO_WEBHOOK_ALLOW_PRIVATE = True


@contextmanager
def answering(*statuses: int) -> Iterator[str]:
    """The URL of a receiver that answers with one after another."""
    left = iter(statuses)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(next(left))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def ended(url: str) -> Run:
    [run_id] = finished_runs(1, ended_ago=timedelta(0))
    Run.objects.filter(pk=run_id).update(kwargs={"webhook": url})
    return Run.objects.get(pk=run_id)


def deliver(run: Run) -> None:
    database = DatabaseThreads(1)
    try:
        asyncio.run(webhooks.deliver(run.pk, database))
    finally:
        database.close()


def told(run: Run) -> list[tuple[int, int | None, str]]:
    return list(WebhookDelivery.objects.filter(run=run).values_list("number", "status", "error"))


def test_each_attempt_is_kept_with_its_answer() -> None:
    with answering(503, 302, 204) as url:
        run = ended(url)
        for _ in range(2):
            with pytest.raises(httpx.HTTPStatusError):
                deliver(run)
        deliver(run)
    assert told(run) == [(1, 503, ""), (2, 302, ""), (3, 204, "")]
    deliveries = WebhookDelivery.objects.order_by("number")
    assert [delivery.succeeded for delivery in deliveries] == [False, False, True]
    assert all(0 < (delivery.seconds or 0) < 10 for delivery in deliveries)
    assert deliveries[0].sent_at <= deliveries[2].sent_at <= timezone.now()


def test_what_got_no_answer_is_kept_with_its_error() -> None:
    with answering() as url:
        pass  # there is nobody any more
    run = ended(url)
    with pytest.raises(httpx.ConnectError):
        deliver(run)
    [(number, status, error)] = told(run)
    assert (number, status) == (1, None)
    assert error.startswith("ConnectError: ")


def test_one_that_is_not_answered_in_time_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = ended(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(httpx.TimeoutException):
            deliver(run)
    assert told(run) == [(1, None, "TimeoutException: No answer within 0.2 s")]


@pytest.mark.usefixtures("engine")
async def test_runs_do_not_wait_for_receivers(settings: Settings) -> None:
    settings.SKEINO_WORKER_CONCURRENCY, settings.SKEINO_WORKER_SHUTDOWN_SECONDS = 1, 0.05
    with socket.create_server(("127.0.0.1", 0)) as silent:
        first = await sync_to_async(ended)(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        await sync_to_async(first.redeliver)()
        async with working():
            async with asyncio.timeout(PATIENCE):
                while not await WebhookDelivery.objects.aexists():
                    await asyncio.sleep(0.01)
            await run_ended(await asubmit("slow", input={"text": "0"}))
            assert await sync_to_async(told)(first) == [(1, None, "")]
    # It was broken off, and will be told again.
    assert await sync_to_async(told)(first) == [(1, None, "The worker stopped meanwhile.")]
    job = await ProcrastinateJob.objects.aget()
    assert (job.task_name, job.status) == ("runs.deliver_webhook", "todo")


def test_an_address_that_is_refused_is_kept(settings: Settings) -> None:
    settings.SKEINO_WEBHOOK_ALLOW_PRIVATE = False
    run = ended("http://127.0.0.1:9/")
    with pytest.raises(AddressRefused):
        deliver(run)
    assert told(run) == [(1, None, "AddressRefused: The webhook's address is private.")]


def test_one_that_is_under_way_is_seen() -> None:
    run = ended("http://example.com/")
    WebhookDelivery.objects.begin(run)
    assert told(run) == [(1, None, "")]


def test_long_and_odd_errors_are_cut() -> None:
    run = ended("http://example.com/")
    WebhookDelivery.objects.begin(run).end(seconds=1, error="\0" + "x" * 1000)
    assert told(run) == [(1, None, "x" * MAX_ERROR)]


def test_two_at_a_time_have_a_number_each() -> None:
    run = ended("http://example.com/")
    at_once(*[lambda: WebhookDelivery.objects.begin(run) for _ in range(4)])
    assert [number for number, *_ in told(run)] == [1, 2, 3, 4]


def test_they_go_with_their_run_whoever_deletes_it() -> None:
    first, second = ended("http://example.com/"), ended("http://example.com/")
    for run in (first, second):
        WebhookDelivery.objects.begin(run)
    first.delete()
    assert WebhookDelivery.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM runs_run WHERE id = %s", [second.pk])
    assert not WebhookDelivery.objects.exists()


def test_the_end_of_one_whose_run_is_gone_is_no_error() -> None:
    run = ended("http://example.com/")
    delivery = WebhookDelivery.objects.begin(run)
    run.delete()
    delivery.end(seconds=1, status=200)
    assert not WebhookDelivery.objects.exists()


def test_old_ones_are_pruned_and_those_of_today_stay(settings: Settings) -> None:
    settings.SKEINO_EVENT_RETENTION_HOURS = 1
    [run_id] = finished_runs(1, ended_ago=timedelta(hours=3))
    run = Run.objects.get(pk=run_id)
    for _ in range(3):
        WebhookDelivery.objects.begin(run)
    WebhookDelivery.objects.filter(number__lt=3).update(sent_at=timezone.now() - timedelta(hours=2))
    execute_task(tasks.prune, 0)
    assert [number for number, *_ in told(run)] == [3]


def test_redelivering_is_the_same_job() -> None:
    run = ended("http://example.com/")
    run.redeliver()
    job = ProcrastinateJob.objects.get()
    assert (job.task_name, job.args) == ("runs.deliver_webhook", {"run_id": str(run.pk)})


def test_there_must_be_an_end_and_a_webhook() -> None:
    [run_id] = finished_runs(1, ended_ago=timedelta(0))
    for run in (Run.objects.get(pk=run_id), submit(webhook="http://127.0.0.1:9/")):
        with pytest.raises(NoWebhook):
            run.redeliver()
    assert not ProcrastinateJob.objects.filter(task_name="runs.deliver_webhook").exists()
