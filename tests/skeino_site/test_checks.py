from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core import checks
from pytest_django import Settings

from assistants.conf import THROTTLE_RATES
from tests.live import ROOT
from threads.checks import check_anonymous_access


def ids(*, deploy: bool) -> list[str | None]:
    return [message.id for message in checks.run_checks(include_deployment_checks=deploy)]


def test_a_door_that_is_open_to_all_is_a_warning(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    [message] = check_anonymous_access()
    assert message.id == "threads.W001"
    assert message.hint


def test_debug_opens_the_door_too(settings: Settings) -> None:
    del settings.SKEINO_ALLOW_ANONYMOUS
    settings.DEBUG = True
    assert [message.id for message in check_anonymous_access()] == ["threads.W001"]


def test_a_closed_door_is_none(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    assert check_anonymous_access() == []


def test_only_who_deploys_is_warned(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    assert "threads.W001" in ids(deploy=True)
    assert "threads.W001" not in ids(deploy=False)


def test_the_project_as_it_is_passes_all_checks() -> None:
    assert ids(deploy=False) == []


DOORS: list[tuple[str, dict[str, Any]]] = [
    ("threads.W001", {"SKEINO_ALLOW_ANONYMOUS": True}),
    ("runs.W001", {"SKEINO_WEBHOOK_ALLOW_PRIVATE": True}),
    ("assistants.W003", {"SKEINO_THROTTLE_RATES": {}}),
    ("assistants.W003", {"SKEINO_THROTTLE_RATES": {**THROTTLE_RATES, "anonymous_run": None}}),
    ("skeino_site.W010", {"ALLOWED_HOSTS": ["*"]}),
    ("skeino_site.W011", {"CORS_ALLOW_ALL_ORIGINS": True, "CORS_ALLOW_CREDENTIALS": True}),
    ("skeino_site.W011", {"CORS_ALLOW_ALL_ORIGINS": True, "SKEINO_ALLOW_ANONYMOUS": True}),
]
CLOSED: dict[str, Any] = {
    "SKEINO_ALLOW_ANONYMOUS": False,
    "SKEINO_THROTTLE_RATES": THROTTLE_RATES,
    "CORS_ALLOW_CREDENTIALS": False,
}


def ours() -> set[str | None]:
    return {one for one in ids(deploy=True) if one and not one.startswith("security.")}


@pytest.mark.parametrize(("check", "opened"), DOORS)
def test_who_deploys_is_warned_of_every_open_door(
    settings: Settings, check: str, opened: dict[str, Any]
) -> None:
    for name, value in CLOSED.items():
        setattr(settings, name, value)
    assert ours() == set()
    for name, value in opened.items():
        setattr(settings, name, value)
    assert check in ours()


def test_who_deploys_is_warned_when_checkpoints_may_hold_anything(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CLOSED.items():
        setattr(settings, name, value)
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", "false")
    assert ours() == {"assistants.W002"}


def test_behind_https_django_has_nothing_to_say(fresh_environment: Callable[..., str]) -> None:
    """But for preloading, which is a decision about a whole domain."""
    said = fresh_environment(SKEINO_HTTPS="1", SKEINO_ALLOW_ANONYMOUS="0", SKEINO_THROTTLE="1")
    assert "security.W021" in said
    assert said.count("security.") == 1


@pytest.fixture
def fresh_environment() -> Callable[..., str]:
    """What `check --deploy` says in a process of its own."""

    def check(**environment: str) -> str:
        command = [sys.executable, str(ROOT / "manage.py"), "check", "--deploy"]
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    return check
