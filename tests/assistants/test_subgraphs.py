from __future__ import annotations

import uuid
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from pytest_django import Settings
from rest_framework.test import APIClient
from typing_extensions import TypedDict

pytestmark = pytest.mark.django_db


class State(TypedDict, total=False):
    text: str


def around(node: Any) -> Any:
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("inside", node)
    builder.add_edge(START, "inside")
    return builder.compile()


@pytest.fixture
def deep(settings: Settings) -> None:
    """A graph in a graph in a graph."""
    settings.SKEINO_GRAPHS = {"deep": around(around(around(lambda state: state)))}


def subgraphs(api: APIClient, path: str) -> dict[str, Any]:
    response = api.get(f"/assistants/{path}")
    assert response.status_code == 200, response.content
    return dict(response.json())


def test_a_graph_without_any_has_none(api: APIClient) -> None:
    assert subgraphs(api, "echo/subgraphs") == {}


def test_each_has_its_schemas(api: APIClient) -> None:
    found = subgraphs(api, "sub/subgraphs")
    assert found.keys() == {"child"}
    assert found["child"]["state_schema"]["properties"].keys() == {"text", "log"}


def test_those_of_subgraphs_are_shown_on_request(api: APIClient, deep: None) -> None:
    assert subgraphs(api, "deep/subgraphs").keys() == {"inside"}
    assert subgraphs(api, "deep/subgraphs?recurse=true").keys() == {"inside", "inside|inside"}


@pytest.mark.parametrize("namespace", ["inside", "inside|inside"])
def test_a_namespace_names_one(api: APIClient, deep: None, namespace: str) -> None:
    assert subgraphs(api, f"deep/subgraphs/{namespace}?recurse=true").keys() == {namespace}


@pytest.mark.parametrize("namespace", ["nobody", "child|nobody", "after", "%00", "%FF", "%7C", "child:1"])
def test_a_namespace_that_is_not_there_has_none(api: APIClient, namespace: str) -> None:
    assert subgraphs(api, f"sub/subgraphs/{namespace}") == {}


@pytest.mark.parametrize("value", ["perhaps", "2", "%00"])
def test_a_choice_that_is_none_is_unprocessable(api: APIClient, value: str) -> None:
    assert api.get(f"/assistants/sub/subgraphs?recurse={value}").status_code == 422


def test_an_unknown_assistant_is_not_found(api: APIClient) -> None:
    assert api.get(f"/assistants/{uuid.uuid4()}/subgraphs").status_code == 404
    assert api.get("/assistants/nobody/subgraphs/child").status_code == 422
