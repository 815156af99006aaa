from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.db import connection, transaction
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings
from rest_framework.test import APIClient

from runs.backlog import measure
from skeino_site import metrics
from skeino_site.management.commands.serve import _metrics_port
from skeino_site.probes import Probe
from tests.live import serving
from tests.runs.engine import new_thread, submit
from threads.models import Thread


@pytest.fixture(autouse=True)
def closed(settings: Settings) -> None:
    """Metrics are open where nothing else is."""
    settings.SKEINO_ALLOW_ANONYMOUS = False


@pytest.fixture
def database(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    probe = Probe(lambda: measure(0.5))
    monkeypatch.setattr(metrics, "probe", probe)
    yield
    probe.close()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_workers CASCADE")


def scrape() -> dict[str, Metric]:
    response = APIClient().get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return parsed(response.content.decode())


def parsed(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family: Metric) -> Any:
    """By label, or the one there is without."""
    found = {next(iter(sample.labels.values()), None): sample.value for sample in family.samples}
    return found.get(None, found)


@pytest.mark.usefixtures("database")
def test_what_waits_is_shown() -> None:
    thread = new_thread()
    submit("agent", thread=thread)
    submit("agent", thread=thread)
    found = scrape()
    assert values(found["skeino_database_up"]) == 1
    jobs = {"waiting": 1, "behind": 1, "scheduled": 0, "executing": 0}
    assert values(found["skeino_queue_jobs"]) == jobs
    assert values(found["skeino_queue_oldest_waiting_seconds"]) >= 0
    assert values(found["skeino_runs"]) == {"pending": 2, "running": 0}
    assert values(found["skeino_threads"]) == {"busy": 1}
    assert values(found["skeino_workers"]) == 0


@pytest.mark.usefixtures("database")
def test_what_the_process_has_done_is_shown() -> None:
    found = scrape()
    for name in ("skeino_followers", "skeino_events_read", "skeino_runs_finished", "process_cpu_seconds"):
        assert name in found


@pytest.mark.usefixtures("database")
def test_the_queue_is_shown_as_json_too() -> None:
    submit("agent")
    queue = APIClient().get("/metrics?format=json").json()["queue"]
    assert (queue["n_pending"], queue["n_running"]) == (1, 0)
    assert queue["pending_unblocked_runs_wait_time_max_secs"] >= 0


@pytest.mark.usefixtures("database")
def test_a_database_that_does_not_answer_takes_nothing_else_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction.atomic():
        Thread.objects.exists()
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE procrastinate_jobs IN ACCESS EXCLUSIVE MODE")
        found = scrape()
        assert values(found["skeino_database_up"]) == 0
        assert "skeino_queue_jobs" not in found
        assert "skeino_followers" in found
        assert APIClient().get("/metrics?format=json").json() == {"queue": None}
    assert values(scrape()["skeino_database_up"]) == 1


@pytest.mark.usefixtures("database")
def test_they_are_asked_for_by_address() -> None:
    assert APIClient().get("/metrics", headers={"host": "10.1.2.3:8000"}).status_code == 200


def test_another_format_is_unprocessable() -> None:
    response = APIClient().get("/metrics?format=xml")
    assert response.status_code == 422
    assert response.json()["detail"].startswith("format: ")


def test_they_can_only_be_got() -> None:
    assert APIClient().post("/metrics", {}).status_code == 405


def test_workers_of_one_machine_have_ports_of_their_own(settings: Settings) -> None:
    settings.SKEINO_WORKER_METRICS_PORT = 9100
    ports = [_metrics_port(number)["SKEINO_WORKER_METRICS_PORT"] for number in (1, 2)]
    assert ports == ["9100", "9101"]
    settings.SKEINO_WORKER_METRICS_PORT = None
    assert _metrics_port(1) == {}


def test_a_server_that_works_shows_it(fresh_database: Callable[[], str]) -> None:
    with serving(fresh_database()) as url, httpx.Client(base_url=url, timeout=30) as client:
        thread = client.post("/threads", json={}).json()["thread_id"]
        run = {"assistant_id": "slow", "input": {"text": "3"}, "stream_mode": ["custom"]}
        with client.stream("POST", f"/threads/{thread}/runs/stream", json=run) as response:
            lines = response.iter_lines()
            next(lines)
            assert values(parsed(client.get("/metrics").text)["skeino_followers"]) == 1
            for _ in lines:
                pass
        found = parsed(client.get("/metrics").text)
    assert values(found["skeino_followers"]) == 0
    assert values(found["skeino_workers"]) == 1
    assert values(found["skeino_events_read"]) == 5  # the metadata, three steps, the end
