from __future__ import annotations

import json
import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from environs import EnvError

from skeino_site.settings import BASE_DIR

SETTINGS = str(BASE_DIR / "skeino_site" / "settings.py")
Load = Callable[..., dict[str, Any]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The settings that a process with this environment has, and no other."""

    def load(**environment: str) -> dict[str, Any]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment = {**kept, "SKEINO_DATA_DIR": str(tmp_path), **environment}
        with mock.patch.dict(os.environ, environment, clear=True):
            return runpy.run_path(SETTINGS)

    return load


def test_nothing_has_to_be_set(load: Load) -> None:
    settings = load()
    assert settings["DEBUG"] is False
    assert settings["DATABASES"]["default"]["ENGINE"] == "skeino_site.embedded_postgres"
    assert settings["SKEINO_LANGGRAPH_JSON"] == BASE_DIR / "langgraph.json"


def test_a_database_can_be_named(load: Load) -> None:
    [database] = load(DATABASE_URL="postgresql://ada:pw%40@db.example:5433/skeino")["DATABASES"].values()
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["USER"], database["PASSWORD"], database["NAME"]) == ("ada", "pw@", "skeino")
    assert (database["HOST"], database["PORT"]) == ("db.example", 5433)


def test_options_of_the_database_url_are_kept(load: Load) -> None:
    [database] = load(DATABASE_URL="postgresql:///x?sslmode=require")["DATABASES"].values()
    assert database["OPTIONS"]["sslmode"] == "require"


def test_behind_a_pooler_cursors_stay_on_the_clients_side(load: Load) -> None:
    url = "postgresql://pooler.example/skeino"
    behind = load(DATABASE_URL=url, SKEINO_DIRECT_DATABASE_URL="postgresql://db.example/skeino")
    assert behind["DATABASES"]["default"]["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert load(DATABASE_URL=url)["DATABASES"]["default"]["DISABLE_SERVER_SIDE_CURSORS"] is False


@pytest.mark.parametrize(
    ("environment", "allowed"),
    [
        ({}, False),
        ({"DEBUG": "1"}, True),
        ({"DEBUG": "1", "SKEINO_ALLOW_ANONYMOUS": "0"}, False),
        ({"SKEINO_ALLOW_ANONYMOUS": "true"}, True),
    ],
)
def test_the_door_is_closed_unless_told_otherwise(
    load: Load, environment: dict[str, str], allowed: bool
) -> None:
    assert load(**environment)["SKEINO_ALLOW_ANONYMOUS"] is allowed


def test_the_secret_key_is_made_once_and_kept(load: Load, tmp_path: Path) -> None:
    first = load()["SECRET_KEY"]
    assert len(first) >= 50
    assert load()["SECRET_KEY"] == first == (tmp_path / "secret_key").read_text()


def test_a_secret_key_of_ones_own_is_taken(load: Load, tmp_path: Path) -> None:
    assert load(SECRET_KEY="mine")["SECRET_KEY"] == "mine"
    assert not (tmp_path / "secret_key").exists()


def test_hosts_are_those_of_this_machine_unless_named(load: Load) -> None:
    assert load()["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert load(ALLOWED_HOSTS="a.example,.b.example")["ALLOWED_HOSTS"] == ["a.example", ".b.example"]


def test_another_langgraph_json_can_be_named(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "langgraph.json"
    cors = {"allow_origins": ["https://a.example"], "max_age": 5}
    path.write_text(json.dumps({"graphs": {"a": "./a.py:graph"}, "http": {"cors": cors}}))
    settings = load(LANGGRAPH_JSON=str(path))
    assert settings["SKEINO_LANGGRAPH_JSON"] == path
    assert (settings["CORS_ALLOW_ALL_ORIGINS"], settings["CORS_ALLOWED_ORIGINS"]) == (
        False,
        ["https://a.example"],
    )
    assert settings["CORS_PREFLIGHT_MAX_AGE"] == 5


def test_origins_can_be_named(load: Load) -> None:
    settings = load(CORS_ALLOWED_ORIGINS="https://a.example,https://b.example")
    assert settings["CORS_ALLOWED_ORIGINS"] == ["https://a.example", "https://b.example"]
    assert settings["CORS_ALLOW_ALL_ORIGINS"] is False
    assert load()["CORS_ALLOW_ALL_ORIGINS"] is True


@pytest.mark.parametrize(
    ("name", "value"),
    [("DEBUG", "perhaps"), ("SKEINO_MAX_BODY_BYTES", "20 MB"), ("SKEINO_WEB_THREADS", "many")],
)
def test_a_value_that_cannot_be_understood_is_named(load: Load, name: str, value: str) -> None:
    with pytest.raises(EnvError, match=name):
        load(**{name: value})


def test_bodies_are_limited(load: Load) -> None:
    assert load()["DATA_UPLOAD_MAX_MEMORY_SIZE"] == 20 * 1024 * 1024
    assert load(SKEINO_MAX_BODY_BYTES="1000")["DATA_UPLOAD_MAX_MEMORY_SIZE"] == 1000
