from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings
from rest_framework.test import APIClient

from runs.connections import bounded
from skeino_site import health
from skeino_site.health import Look
from skeino_site.probes import Probe
from tests.live import free_port

GRACE = 1.5  # seconds that a machine at work takes longer


@pytest.fixture(autouse=True)
def closed(settings: Settings) -> None:
    """All of these are open where nothing else is."""
    settings.SKEINO_ALLOW_ANONYMOUS = False


@pytest.fixture
def database(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test database, looked at anew and without workers."""
    probe = Probe(Look())
    monkeypatch.setattr(health, "probe", probe)
    yield
    probe.close()
    execute("TRUNCATE procrastinate_workers CASCADE")


def execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def add_worker(*, silent_seconds: float = 0) -> None:
    execute(
        "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s))",
        silent_seconds,
    )


def ready() -> tuple[int, dict[str, Any]]:
    response = APIClient().get("/ready")
    return response.status_code, response.json()


# Live


def test_it_lives_without_a_database() -> None:
    response = APIClient().get("/live")
    assert (response.status_code, response.json()) == (200, {"live": True})


# Ready


@pytest.mark.usefixtures("database")
def test_it_is_ready_when_all_is_there() -> None:
    add_worker()
    checks = {"database": True, "migrations": True, "workers": True}
    assert ready() == (200, {"ready": True, "detail": "Ready.", "checks": checks})


@pytest.mark.usefixtures("database")
def test_it_is_not_without_a_worker() -> None:
    checks = {"database": True, "migrations": True, "workers": False}
    assert ready() == (503, {"ready": False, "detail": "No worker is alive.", "checks": checks})


@pytest.mark.usefixtures("database")
def test_to_be_asked_before_one_is_ready_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    assert ready()[0] == 503
    assert not caplog.records


@pytest.mark.usefixtures("database")
def test_a_worker_that_has_been_silent_for_too_long_is_none(settings: Settings) -> None:
    settings.SKEINO_HEARTBEAT_SECONDS = 10
    add_worker(silent_seconds=11)
    assert ready()[0] == 503
    add_worker(silent_seconds=5)
    assert ready()[0] == 200


@pytest.mark.usefixtures("database")
def test_it_is_not_while_migrations_are_missing() -> None:
    add_worker()
    recorder = MigrationRecorder(connection)
    [latest] = MigrationExecutor(connection).loader.graph.leaf_nodes("runs")
    recorder.record_unapplied(*latest)
    try:
        status, body = ready()
    finally:
        recorder.record_applied(*latest)
    assert status == 503
    assert body["checks"] == {"database": True, "migrations": False, "workers": None}
    assert ready()[0] == 200


@pytest.mark.usefixtures("database")
def test_migrations_are_looked_for_until_they_are_there(django_assert_num_queries: Any) -> None:
    look = Look()
    look()
    with django_assert_num_queries(4):  # the transaction's two, its time limit, and the workers
        assert look() == {"migrations": True, "workers": False}


@pytest.mark.usefixtures("database")
def test_a_lost_connection_is_replaced() -> None:
    add_worker()
    assert ready()[0] == 200
    execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert ready()[0] == 200


@pytest.mark.usefixtures("database")
def test_it_is_not_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        address = connection.settings_dict  # of connections that are opened from now on
        elsewhere.setitem(address, "HOST", "127.0.0.1")
        elsewhere.setitem(address, "PORT", free_port())
        elsewhere.setitem(address, "OPTIONS", {})
        status, body = ready()
    checks = {"database": False, "migrations": None, "workers": None}
    expected = {"ready": False, "detail": "The database cannot be reached.", "checks": checks}
    assert (status, body) == (503, expected)
    add_worker()
    assert ready()[0] == 200


@pytest.mark.usefixtures("database")
def test_a_database_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.3)
    add_worker()
    with transaction.atomic():
        execute("LOCK TABLE procrastinate_workers IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        assert ready()[1]["checks"]["database"] is False
        assert ready()[1]["checks"]["database"] is False
        assert time.monotonic() - started < 0.6 + GRACE
    assert eventually_ready()


def eventually_ready() -> bool:
    """A look that began under the lock may still be under way, for as long as it may take."""
    return any(ready()[0] == 200 for _ in range(3))


# Probes


def test_any_number_of_questions_is_one_look() -> None:
    barrier, looks = Barrier(2), []

    def look() -> int:
        looks.append(1)
        barrier.wait(10)
        return len(looks)

    probe = Probe(look)
    answers: list[int] = []
    asking = [Thread(target=lambda: answers.append(probe.answer(10))) for _ in range(5)]
    try:
        for thread in asking:
            thread.start()
        with pytest.raises(TimeoutError):
            probe.answer(0.1)
        barrier.wait(10)
        for thread in asking:
            thread.join(10)
        assert (answers, looks) == ([1] * 5, [1])
    finally:
        probe.close()


@pytest.mark.django_db(transaction=True)
def test_no_statement_takes_longer_than_it_may() -> None:
    with pytest.raises(OperationalError), bounded(0.1) as cursor:
        cursor.execute("SELECT pg_sleep(10)")
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


# Doors


@pytest.mark.parametrize("path", ["/live", "/ready"])
@pytest.mark.usefixtures("database")
def test_they_are_asked_by_address_and_without_tls(settings: Settings, path: str) -> None:
    add_worker()
    settings.SECURE_SSL_REDIRECT = True
    response = APIClient().get(path, headers={"host": "10.1.2.3:8000"})
    assert response.status_code == 200
    assert response.headers["content-length"] == str(len(response.content))
    assert APIClient().get("/info", headers={"host": "10.1.2.3:8000"}).status_code == 400
    assert APIClient().get("/info").status_code == 301


@pytest.mark.parametrize("path", ["/live", "/ready"])
def test_they_can_only_be_got(path: str) -> None:
    assert APIClient().post(path, {}).status_code == 405


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("path", ["/live", "/ready"])
def test_credentials_do_not_matter(path: str) -> None:
    add_worker()
    headers = {"authorization": "Bearer nonsense", "cookie": "sessionid=nonsense", "x-api-key": "nonsense"}
    assert APIClient().get(path, headers=headers).status_code == 200
