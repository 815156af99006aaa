from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from pytest_django import Settings

from tests.live import TEST_GRAPHS

if TYPE_CHECKING:  # these read the settings, which are not there yet
    from django.contrib.auth.models import User
    from rest_framework.test import APIClient


@pytest.fixture(autouse=True)
def test_settings(settings: Settings) -> None:
    """The graphs served are those under tests/graphs."""
    settings.SKEINO_LANGGRAPH_JSON = TEST_GRAPHS
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a quick one


@pytest.fixture
def api(settings: Settings) -> APIClient:
    """A client without credentials, where none are needed."""
    from rest_framework.test import APIClient

    settings.SKEINO_ALLOW_ANONYMOUS = True
    return APIClient()


@pytest.fixture
def client_of() -> Callable[[User | None], APIClient]:
    """Makes a client that is logged in as the user, or as nobody."""
    from rest_framework.test import APIClient

    def client(user: User | None) -> APIClient:
        api = APIClient()
        if user is not None:
            api.force_login(user)
        return api

    return client


@pytest.fixture
def alice(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("alice")


@pytest.fixture
def bob(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("bob")
