from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker, Settings

from tests.live import TEST_GRAPHS
from tests.runs.conftest import engine, engine_db, test_graphs

if TYPE_CHECKING:  # this reads the settings, which are not there yet
    from tests.authorization.world import World

__all__ = ["engine", "engine_db", "test_graphs"]


@pytest.fixture(autouse=True)
def test_settings(settings: Settings) -> None:
    settings.SKEINO_LANGGRAPH_JSON = TEST_GRAPHS
    settings.SKEINO_ALLOW_ANONYMOUS = False
    cache.clear()


@pytest.fixture(scope="module")
def lasting_world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Made once for a module, in a transaction around those of its tests."""
    from skeino_site import health, metrics
    from tests.authorization.world import made

    with django_db_blocker.unblock(), transaction.atomic():
        with override_settings(SKEINO_LANGGRAPH_JSON=TEST_GRAPHS):
            world = made()
        yield world
        transaction.set_rollback(True)
    for asked in (health, metrics):
        asked.probe.close()


@pytest.fixture
def world(lasting_world: World, db: None) -> World:
    return lasting_world
