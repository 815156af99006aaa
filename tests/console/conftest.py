from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_django import Settings

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
