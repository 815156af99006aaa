"""What GET says of a graph."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from pytest_django import Settings
from rest_framework.test import APIClient

from assistants.introspection import outline
from assistants.models import Assistant, system_assistant_id
from tests.graphs import pausing
from tests.graphs.plain import Chat
from tests.runs.graph_api.api import error

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(settings: Settings, test_graphs: None) -> APIClient:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    return APIClient()


def get(api: APIClient, path: str) -> dict[str, Any]:
    response = api.get(path)
    assert response.status_code == 200
    return dict(response.json()["data"])


def test_a_graph_in_short(api: APIClient) -> None:
    assert get(api, "/v1/graph?assistant_id=agent") == {
        "nodes": ["answer", "tools"],
        "entry_point": "answer",
        "edges": [["tools", "answer"]],
        "conditional_edges": [["answer", "__end__", None], ["answer", "tools", None]],
        "graph_id": "agent",
        "state_schema": {"messages": "array"},
    }


@pytest.mark.parametrize("query", ["", "?assistant_id="])
def test_without_a_name_it_is_the_first_graph(api: APIClient, query: str) -> None:
    assert get(api, f"/v1/graph{query}")["graph_id"] == "echo"


def test_or_the_one_that_a_setting_names(api: APIClient, settings: Settings) -> None:
    settings.SKEINO_DEFAULT_ASSISTANT = "slow"
    assert get(api, "/v1/graph")["graph_id"] == "slow"
    assert get(api, "/v1/graph:StateSchema")["properties"].keys() == {"text", "log"}


def test_an_assistant_is_found_by_its_id_too(api: APIClient) -> None:
    Assistant.objects.sync()
    assert get(api, f"/v1/graph?assistant_id={system_assistant_id('slow')}")["graph_id"] == "slow"


@pytest.mark.parametrize("path", ["/v1/graph", "/v1/graph:StateSchema"])
@pytest.mark.parametrize("name", ["nobody", "01920000-0000-7000-8000-000000000000"])
def test_an_unknown_one_is_not_found(api: APIClient, path: str, name: str) -> None:
    assert error(api.get(f"{path}?assistant_id={name}")) == (404, "ASSISTANT_NOT_FOUND")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path", ["/v1/graph:StateSchema", "/v1/graph%3AStateSchema", "/v1/graph%3aStateSchema"]
)
def test_the_schema_of_the_state(api: APIClient, path: str) -> None:
    schema = get(api, path)
    assert schema["type"] == "object"
    assert schema["properties"]["messages"]["type"] == "array"
    assert "AIMessage" in schema["$defs"]


def test_several_beginnings_are_a_list() -> None:
    found = outline(pausing.parallel_interrupts)
    assert found["entry_point"] == ["left", "right"]
    assert (found["edges"], found["conditional_edges"]) == ([], [])
    assert found["state_schema"] == {"question": "string", "answers": "array"}


def test_conditional_edges_have_labels_and_lead_to_the_end_too() -> None:
    builder: Any = StateGraph(Chat)
    builder.add_node("a", lambda state: state)
    builder.add_node("b", lambda state: state)
    builder.add_conditional_edges(START, lambda state: "x", {"x": "a", "y": "b"})
    builder.add_conditional_edges("a", lambda state: "stop", {"stop": END, "on": "b"})
    builder.add_edge("b", "a")
    found = outline(builder.compile())
    assert found["entry_point"] == ["a", "b"]
    assert found["edges"] == [["b", "a"]]
    assert sorted(found["conditional_edges"]) == [
        ["__start__", "a", "x"],
        ["__start__", "b", "y"],
        ["a", "__end__", "stop"],
        ["a", "b", "on"],
    ]


def test_a_graph_that_is_a_function_has_one_node() -> None:
    @entrypoint()
    def work(given: str) -> int:
        return len(given)

    assert outline(work)["nodes"] == ["work"]
