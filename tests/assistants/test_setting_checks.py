from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from django.core.checks import CheckMessage
from pytest_django import Settings


def found(**kwargs: Any) -> list[CheckMessage]:
    return [message for message in checks.run_checks() if str(message.id).endswith(("E010", "W010"))]


@pytest.mark.parametrize(
    ("name", "value", "app"),
    [
        ("SKEINO_BUSY", "panic", "runs"),
        ("SKEINO_RUN_CREATE", None, "runs"),
        ("SKEINO_HEARTBEAT_SECONDS", 0, "runs"),
        ("SKEINO_WORKER_CONCURRENCY", "100", "runs"),
        ("SKEINO_EVENT_RETENTION_HOURS", 0, "runs"),
        ("SKEINO_EVENT_RETENTION_HOURS", "72", "runs"),
        ("SKEINO_RUN_RETENTION_DAYS", float("inf"), "runs"),
        ("SKEINO_WORKER_METRICS_PORT", 65536, "runs"),
        ("SKEINO_COPY", "all", "threads"),
        ("SKEINO_ALLOW_ANONYMOUS", "no", "threads"),
        ("SKEINO_GRAPHS", ["agent"], "assistants"),
        ("SKEINO_MAX_JSON_DEPTH", 1.5, "assistants"),
        ("SKEINO_WEB_THREADS", 1.5, "skeino_site"),
        ("SKEINO_THREAD_POLICY", "nowhere.Policy", "threads"),
        ("SKEINO_GRAPH_USER", "runs.graph_user.nobody", "runs"),
        ("SKEINO_MAX_RUNS_PER_USER", 0, "runs"),
    ],
)
def test_a_setting_that_is_wrong_is_an_error_that_names_it(
    settings: Settings, name: str, value: object, app: str
) -> None:
    setattr(settings, name, value)
    [message] = found()
    assert message.id == f"{app}.E010"
    assert name in message.msg
    assert repr(value) in str(message.hint)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SKEINO_BUSY", "platform"),
        ("SKEINO_HEARTBEAT_SECONDS", 5),
        ("SKEINO_EVENT_RETENTION_HOURS", None),
        ("SKEINO_EVENT_RETENTION_HOURS", 36),
        ("SKEINO_RUN_RETENTION_DAYS", 0.5),
        ("SKEINO_RUN_TIMEOUT_SECONDS", None),
        ("SKEINO_RUN_TIMEOUT_SECONDS", 0.5),
    ],
)
def test_a_setting_that_is_right_is_none(settings: Settings, name: str, value: object) -> None:
    setattr(settings, name, value)
    assert found() == []


def test_a_setting_that_nobody_knows_is_a_warning_with_a_guess(settings: Settings) -> None:
    settings.SKEINO_WORKER_CONCURENCY = 3
    [message] = found()
    assert message.id == "assistants.W010"
    assert message.hint == "Do you mean SKEINO_WORKER_CONCURRENCY?"
