from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.checks import CheckMessage, Error, register

from runs.conf import conf


@register()
def check_retention(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{name} must be None or a number of {unit} above nothing, not {value!r}.",
            hint="None keeps for ever.",
            id="runs.E001",
        )
        for name, unit, value in (
            ("SKEINO_EVENT_RETENTION_HOURS", "hours", conf.SKEINO_EVENT_RETENTION_HOURS),
            ("SKEINO_RUN_RETENTION_DAYS", "days", conf.SKEINO_RUN_RETENTION_DAYS),
        )
        if value is not None and not _is_duration(value, unit)
    ]


def _is_duration(value: Any, unit: str) -> bool:
    try:
        return timedelta(0) < timedelta(**{unit: value}) < timedelta(days=365_000)
    except (TypeError, ValueError, OverflowError):
        return False
