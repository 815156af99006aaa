from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from pydantic import BaseModel
from pytest_django import Settings
from rest_framework.test import APIClient
from typing_extensions import TypedDict

from assistants.graphs import registry
from assistants.models import system_assistant_id

pytestmark = pytest.mark.django_db

KEYS = {"graph_id", "input_schema", "output_schema", "state_schema", "config_schema", "context_schema"}


class Opaque:
    """A type that has no JSON schema."""


class Wish(BaseModel):
    colour: str


class Strange(TypedDict, total=False):
    thing: Opaque
    callback: Callable[[int], int]
    wish: Wish
    text: str


def strange() -> StateGraph[Any, Wish]:
    builder: StateGraph[Any, Wish] = StateGraph(Strange, context_schema=Wish)
    builder.add_node("node", lambda state: state)
    builder.add_edge(START, "node")
    return builder


def schemas(api: APIClient, name: str) -> dict[str, Any]:
    response = api.get(f"/assistants/{name}/schemas")
    assert response.status_code == 200, response.content
    return dict(response.json())


def test_every_graph_has_schemas(api: APIClient) -> None:
    for graph_id in registry.ids():
        found = schemas(api, graph_id)
        assert found.keys() == KEYS
        assert found["graph_id"] == graph_id


def test_it_is_found_by_its_uuid_too(api: APIClient) -> None:
    found = schemas(api, "echo")
    assert schemas(api, str(system_assistant_id("echo"))) == found


def test_they_describe_what_goes_in_and_comes_out(api: APIClient) -> None:
    found = schemas(api, "hidden")
    assert found["input_schema"]["properties"].keys() == {"text", "secret"}
    assert found["output_schema"]["properties"].keys() == {"text"}
    assert found["state_schema"]["properties"].keys() == {"text", "secret"}


def test_messages_are_described(api: APIClient) -> None:
    messages = schemas(api, "echo")["state_schema"]["properties"]["messages"]
    assert messages["type"] == "array"
    assert "HumanMessage" in str(messages["items"])


def test_a_graph_without_a_context_has_none(api: APIClient) -> None:
    assert schemas(api, "echo")["context_schema"] is None


def test_what_has_no_schema_does_not_hide_the_rest(api: APIClient, settings: Settings) -> None:
    settings.SKEINO_GRAPHS = {"strange": strange()}
    found = schemas(api, "strange")
    assert found["state_schema"]["properties"].keys() == {"thing", "callback", "wish", "text"}
    assert found["state_schema"]["properties"]["text"]["type"] == "string"
    assert found["context_schema"]["properties"].keys() == {"colour"}


def test_an_unknown_assistant_is_not_found(api: APIClient) -> None:
    missing = uuid.uuid4()
    response = api.get(f"/assistants/{missing}/schemas")
    assert response.status_code == 404
    assert response.json() == {"detail": f"Assistant {missing} not found"}
    assert api.get("/assistants/nobody/schemas").status_code == 422
