from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from pytest_django import Settings

from runs.checks import check_retention

RETENTION = ["SKEINO_EVENT_RETENTION_HOURS", "SKEINO_RUN_RETENTION_DAYS"]


@pytest.mark.parametrize("name", RETENTION)
@pytest.mark.parametrize("value", [None, 1, 0.5, 24.0, 36500])
def test_a_time_to_keep_is_a_duration_or_none(settings: Settings, name: str, value: Any) -> None:
    setattr(settings, name, value)
    assert check_retention() == []


@pytest.mark.parametrize("name", RETENTION)
@pytest.mark.parametrize("value", [0, -1, "72", float("nan"), float("inf"), 1e12, [72]])
def test_all_else_is_an_error(settings: Settings, name: str, value: Any) -> None:
    setattr(settings, name, value)
    [message] = check_retention()
    assert message.id == "runs.E001"
    assert name in message.msg
    assert message.hint


def test_they_are_registered(settings: Settings) -> None:
    settings.SKEINO_EVENT_RETENTION_HOURS = -1
    assert "runs.E001" in [message.id for message in checks.run_checks()]
