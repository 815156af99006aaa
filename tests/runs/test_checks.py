from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import checks
from django.db import connection
from pytest_django import Settings

from runs.checks import check_direct_database
from tests.live import free_port


@pytest.fixture
def direct_url(settings: Settings, db: None) -> str:
    """The test database's."""
    name = connection.settings_dict["NAME"]
    settings.SKEINO_DIRECT_DATABASE_URL = (
        urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    )
    return str(settings.SKEINO_DIRECT_DATABASE_URL)


def ids(**kwargs: Any) -> list[str | None]:
    return [message.id for message in check_direct_database(**kwargs)]


@pytest.mark.usefixtures("direct_url")
def test_a_direct_address_of_the_same_database_is_fine() -> None:
    assert ids(databases=["default"]) == []


def test_a_direct_address_of_another_database_is_an_error(
    settings: Settings, direct_url: str, fresh_database: Callable[[], str]
) -> None:
    settings.SKEINO_DIRECT_DATABASE_URL = fresh_database()
    assert ids(databases=["default"]) == ["runs.E002"]


@pytest.mark.parametrize(
    "url",
    [f"postgresql://somebody:secret@127.0.0.1:{free_port()}/x", "mysql://x/y", "?"],
    ids=["nobody listens", "no PostgreSQL", "no address"],
)
def test_a_direct_address_that_cannot_be_used_is_an_error(
    settings: Settings, direct_url: str, url: str
) -> None:
    settings.SKEINO_DIRECT_DATABASE_URL = url
    [message] = check_direct_database(databases=["default"])
    assert message.id == "runs.E001"
    assert "secret" not in message.msg


def test_databases_are_only_looked_at_where_they_are_asked_for(settings: Settings) -> None:
    settings.SKEINO_DIRECT_DATABASE_URL = "?"
    assert ids(databases=None) == ids(databases=["other"]) == []
    assert "runs.E001" not in [message.id for message in checks.run_checks()]
