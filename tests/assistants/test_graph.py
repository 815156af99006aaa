from __future__ import annotations

import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from assistants.graphs import registry

pytestmark = pytest.mark.django_db


def drawing(api: APIClient, name: str, query: str = "") -> dict[str, Any]:
    response = api.get(f"/assistants/{name}/graph{query}")
    assert response.status_code == 200, response.content
    return dict(response.json())


def nodes(drawing: dict[str, Any]) -> set[str]:
    return {node["id"] for node in drawing["nodes"]}


def test_every_graph_can_be_drawn(api: APIClient) -> None:
    for graph_id in registry.ids():
        for query in ("", "?xray=true"):
            assert {"__start__", "__end__"} <= nodes(drawing(api, graph_id, query))


def test_it_has_nodes_and_edges(api: APIClient) -> None:
    found = drawing(api, "echo")
    edges = [(edge["source"], edge["target"]) for edge in found["edges"]]
    assert nodes(found) == {"__start__", "node", "__end__"}
    assert edges == [("__start__", "node"), ("node", "__end__")]


def test_a_node_says_what_it_is(api: APIClient) -> None:
    [node] = [node for node in drawing(api, "echo")["nodes"] if node["id"] == "node"]
    assert node == {"id": "node", "type": "runnable", "data": {"name": "node"}}


@pytest.mark.parametrize("query", ["", "?xray=false"])
def test_a_subgraph_is_a_node(api: APIClient, query: str) -> None:
    assert nodes(drawing(api, "sub", query)) == {"__start__", "child", "after", "__end__"}


@pytest.mark.parametrize("query", ["?xray=true", "?xray=1", "?xray=2", "?xray=True"])
def test_a_subgraph_is_drawn_on_request(api: APIClient, query: str) -> None:
    found = nodes(drawing(api, "sub", query))
    assert any(name.endswith("inner") for name in found)
    assert "child" not in found


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5", "%00", "%FF", "%C2%B2", "1" * 50])
def test_another_depth_is_unprocessable(api: APIClient, value: str) -> None:
    response = api.get(f"/assistants/sub/graph?xray={value}")
    assert response.status_code == 422
    assert response.json()["detail"].startswith("xray: ")


def test_an_unknown_assistant_is_not_found(api: APIClient) -> None:
    assert api.get(f"/assistants/{uuid.uuid4()}/graph").status_code == 404
    assert api.get("/assistants/nobody/graph").status_code == 422
