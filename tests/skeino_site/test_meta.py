from __future__ import annotations

from importlib.metadata import version

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from skeino_site import __version__

PATHS = ["/ok", "/info", "/api/health", "/api/initial-message"]


@pytest.fixture(autouse=True)
def closed(settings: Settings) -> None:
    """All of these are open where nothing else is, and need no database: these tests have none."""
    settings.SKEINO_ALLOW_ANONYMOUS = False


def test_it_is_ok() -> None:
    response = APIClient().get("/ok?check_db=1")
    assert response.status_code == 200
    assert response.json()["ok"] is True


def test_its_health_has_a_version() -> None:
    assert APIClient().get("/api/health").json() == {"status": "ok", "version": __version__}


def test_it_says_what_it_is() -> None:
    info = APIClient().get("/info").json()
    assert (info["status"], info["name"], info["version"]) == ("ok", "skeino", __version__)
    assert info["langgraph_py_version"] == version("langgraph")
    assert info["host"]["kind"] == "self-hosted"


def test_it_says_which_parts_of_the_api_it_has() -> None:
    flags = APIClient().get("/info").json()["flags"]
    assert flags["assistants"] is True
    assert flags["langsmith"] is False
    assert all(isinstance(flag, bool) for flag in flags.values())


def test_it_welcomes_with_the_message_of_the_settings(settings: Settings) -> None:
    settings.SKEINO_WELCOME_MESSAGE = "Ahoj!"
    response = APIClient().get("/api/initial-message")
    assert response.json() == {"message": "Ahoj!", "version": __version__}


def test_it_has_a_message_of_its_own() -> None:
    assert APIClient().get("/api/initial-message").json()["message"]


@pytest.mark.parametrize("path", PATHS)
def test_credentials_do_not_matter(path: str) -> None:
    headers = {"authorization": "Bearer nonsense", "cookie": "sessionid=nonsense", "x-api-key": "nonsense"}
    assert APIClient().get(path, headers=headers).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_they_can_only_be_got(path: str) -> None:
    assert APIClient().post(path, {}).status_code == 405
