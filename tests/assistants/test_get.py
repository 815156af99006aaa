from __future__ import annotations

import re
import uuid

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from assistants.models import Assistant, system_assistant_id

pytestmark = pytest.mark.django_db

# As the official server numbers them.
ECHO = "046b5dc7-2108-582c-9c6c-31d556d138f0"
KEYS = {
    *("assistant_id", "graph_id", "config", "context", "metadata", "name"),
    *("created_at", "updated_at", "version", "description"),
}


def test_an_assistant_has_the_id_that_the_official_server_gives_it(api: APIClient) -> None:
    assert str(system_assistant_id("echo")) == ECHO
    assert api.get("/assistants/echo").json()["assistant_id"] == ECHO


def test_it_is_found_by_its_uuid_and_by_the_name_of_its_graph(api: APIClient) -> None:
    by_name = api.get("/assistants/echo")
    by_id = api.get(f"/assistants/{ECHO}")
    assert by_name.status_code == by_id.status_code == 200
    assert by_name.json() == by_id.json()


def test_it_has_the_keys_of_the_api(api: APIClient) -> None:
    assistant = api.get("/assistants/echo").json()
    assert assistant.keys() == KEYS
    assert (assistant["graph_id"], assistant["name"], assistant["version"]) == ("echo", "echo", 1)
    assert (assistant["config"], assistant["context"]) == ({}, {})
    assert assistant["metadata"] == {"created_by": "system"}


@pytest.mark.parametrize("key", ["created_at", "updated_at"])
def test_times_have_microseconds_and_an_offset(api: APIClient, key: str) -> None:
    time = api.get("/assistants/echo").json()[key]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", time)


def test_an_assistant_of_somebodys_own_is_found_by_its_uuid(api: APIClient) -> None:
    mine = Assistant.objects.create(graph_id="echo", name="Mine", config={"tags": ["a"]}, description="d")
    assistant = api.get(f"/assistants/{mine.pk}").json()
    assert (assistant["name"], assistant["description"]) == ("Mine", "d")
    assert assistant["config"] == {"tags": ["a"]}


def test_a_graph_added_since_the_last_migrate_is_found(api: APIClient) -> None:
    Assistant.objects.all().delete()
    assert api.get("/assistants/slow").json()["assistant_id"] == str(system_assistant_id("slow"))


def test_an_unknown_uuid_is_not_found(api: APIClient) -> None:
    missing = uuid.uuid4()
    response = api.get(f"/assistants/{missing}")
    assert response.status_code == 404
    assert response.json() == {"detail": f"Assistant {missing} not found"}


def test_an_assistant_whose_graph_is_gone_is_not_found(api: APIClient) -> None:
    gone = Assistant.objects.create(graph_id="gone", name="Gone")
    assert api.get(f"/assistants/{gone.pk}").status_code == 404


def test_an_unknown_name_is_unprocessable_and_the_graphs_are_named(api: APIClient) -> None:
    response = api.get("/assistants/nobody")
    assert response.status_code == 422
    assert response.json()["detail"].startswith("Invalid assistant: 'nobody'")
    assert "echo, tokens" in response.json()["detail"]


@pytest.mark.parametrize(
    "junk", ["%00", "%FF%FE", "%ED%A0%80", "%F0%9F%92%A9", "a%0D%0Ab", "%25", "'--", "x" * 5000]
)
def test_junk_is_unprocessable(api: APIClient, junk: str) -> None:
    response = api.get(f"/assistants/{junk}")
    assert response.status_code == 422
    assert isinstance(response.json()["detail"], str)


def test_without_credentials_it_is_refused_where_they_are_needed(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    assert APIClient().get("/assistants/echo").status_code in (401, 403)


def test_a_user_sees_it(settings: Settings, django_user_model: type) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    api = APIClient()
    api.force_login(django_user_model.objects.create_user("ada"))  # type: ignore[attr-defined]
    assert api.get("/assistants/echo").status_code == 200
