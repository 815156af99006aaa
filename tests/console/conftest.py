from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest
from pytest_django import Settings

from tests.console.live import serving_staff
from tests.live import TEST_GRAPHS

if TYPE_CHECKING:  # Django is set up only later
    from django.contrib.auth.models import User

    from threads.models import Thread


@pytest.fixture(autouse=True)
def test_settings(settings: Settings) -> None:
    settings.SKEINO_LANGGRAPH_JSON = TEST_GRAPHS
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a quick one


@pytest.fixture
def thread(admin_user: User) -> Thread:
    from threads.models import Thread

    return Thread.objects.create(owner=admin_user)


@pytest.fixture(scope="session")
def server(fresh_database: Callable[[], str]) -> Iterator[str]:
    """The URL of a server with the users ``root`` and ``support``. All tests of the console share it."""
    with serving_staff(fresh_database()) as url:
        yield url


@pytest.fixture
def api(server: str) -> Iterator[httpx.Client]:
    """A client of the server's, who has not logged in."""
    with httpx.Client(base_url=server, timeout=30) as client:
        yield client
