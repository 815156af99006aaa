from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError

from tests.live import TEST_GRAPHS

GRAPHS = set(json.loads(TEST_GRAPHS.read_text())["graphs"])


async def test_every_graph_has_an_assistant(client: LangGraphClient) -> None:
    found = await client.assistants.search(limit=100)
    assert {assistant["graph_id"] for assistant in found} == GRAPHS


async def test_a_page_of_assistants_tells_where_the_next_begins(client: LangGraphClient) -> None:
    seen: list[str] = []
    following: str | None = "0"
    while following is not None:
        page = await client.assistants.search(limit=4, offset=int(following), response_format="object")
        seen += [assistant["graph_id"] for assistant in page["assistants"]]
        following = page["next"]
    assert sorted(seen) == sorted(GRAPHS)


async def test_assistants_are_found_by_what_they_are(client: LangGraphClient) -> None:
    found: Any = await client.assistants.search(
        graph_id="echo", name="echo", metadata={"created_by": "system"}, select=["graph_id", "name"]
    )
    assert found == [{"graph_id": "echo", "name": "echo"}]


async def test_assistants_are_sorted_as_asked(client: LangGraphClient) -> None:
    found = await client.assistants.search(limit=100, sort_by="name", sort_order="asc")
    assert [assistant["name"] for assistant in found] == sorted(GRAPHS)


async def test_a_search_for_an_unknown_graph_says_which_there_are(client: LangGraphClient) -> None:
    with pytest.raises(NotFoundError, match=r"Graph 'nope' not found. Expected one of: .*echo"):
        await client.assistants.search(graph_id="nope")


async def test_an_assistant_is_found_by_its_id_and_by_its_graphs_name(client: LangGraphClient) -> None:
    by_name = await client.assistants.get("echo")
    assert by_name["graph_id"] == "echo"
    assert await client.assistants.get(by_name["assistant_id"]) == by_name


async def test_an_unknown_assistant_is_named_in_the_error(client: LangGraphClient) -> None:
    missing = str(uuid.uuid4())
    with pytest.raises(NotFoundError, match=f"Assistant {missing} not found"):
        await client.assistants.get(missing)
    with pytest.raises(UnprocessableEntityError, match=r"'nope'.*registered graphs: .*echo"):
        await client.assistants.get("nope")


async def test_schemas_describe_what_goes_in_and_comes_out(client: LangGraphClient) -> None:
    schemas: Any = await client.assistants.get_schemas("hidden")
    assert schemas["graph_id"] == "hidden"
    names = ("input_schema", "output_schema", "state_schema")
    keys = {name: set(schemas[name]["properties"]) for name in names}
    assert keys["input_schema"] == keys["state_schema"] == {"text", "secret"}
    assert keys["output_schema"] == {"text"}


async def test_a_graph_is_drawn_by_nodes_and_edges(client: LangGraphClient) -> None:
    drawing = await client.assistants.get_graph("sub")
    assert {node["id"] for node in drawing["nodes"]} == {"__start__", "child", "after", "__end__"}
    assert {"source": "child", "target": "after"} in drawing["edges"]


@pytest.mark.parametrize("xray", [True, 1, 2])
async def test_xray_draws_what_is_inside_of_a_node(client: LangGraphClient, xray: bool | int) -> None:
    drawing = await client.assistants.get_graph("sub", xray=xray)
    assert {node["id"] for node in drawing["nodes"]} == {"__start__", "child:inner", "after", "__end__"}


async def test_xray_of_no_depth_is_refused(client: LangGraphClient) -> None:
    with pytest.raises(UnprocessableEntityError, match="xray"):
        await client.assistants.get_graph("sub", xray=0)


@pytest.mark.parametrize("how", [{}, {"recurse": True}, {"namespace": "child"}])
async def test_subgraphs_are_described_by_name(client: LangGraphClient, how: dict[str, Any]) -> None:
    found = await client.assistants.get_subgraphs("sub", **how)
    assert list(found) == ["child"]
    assert set((found["child"]["state_schema"] or {})["properties"]) == {"text", "log"}


@pytest.mark.parametrize(("graph", "namespace"), [("echo", None), ("sub", "nope")])
async def test_where_no_subgraphs_are_there_are_none(
    client: LangGraphClient, graph: str, namespace: str | None
) -> None:
    assert await client.assistants.get_subgraphs(graph, namespace=namespace) == {}
