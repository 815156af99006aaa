"""What a graph says of itself: its schemas, its nodes and edges, its subgraphs (wire contract 3.2)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from langgraph.constants import END, START
from langgraph.pregel import Pregel
from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

logger = logging.getLogger(__name__)

# What pydantic raises at types it cannot describe.
INDESCRIBABLE = (PydanticUserError, NameError, TypeError)


def schemas(graph: Pregel) -> dict[str, Any]:
    """The JSON schemas of what goes in and comes out; ``{}`` for what cannot be described."""
    context = _described(graph.get_context_jsonschema) if graph.context_schema else None
    return {
        "input_schema": _described(graph.get_input_jsonschema),
        "output_schema": _described(graph.get_output_jsonschema),
        "state_schema": state_schema(graph),
        "config_schema": context or {},
        "context_schema": context,
    }


def state_schema(graph: Pregel) -> dict[str, Any]:
    """The JSON schema of the whole state: an object with a property for each of its keys."""
    properties, definitions = {}, {}
    for key in graph.stream_channels_list:
        channel: Any = graph.channels[key]
        schema = _described(partial(_json_schema, channel.UpdateType))
        definitions.update(schema.pop("$defs", {}))
        properties[key] = {"default": None, "title": key.replace("_", " ").title(), **schema}
    found = {"properties": properties, "title": f"{graph.get_name()}_state", "type": "object"}
    return found | ({"$defs": definitions} if definitions else {})


def drawing(graph: Pregel, xray: bool | int) -> dict[str, Any]:
    """Nodes and edges; ``xray`` draws subgraphs in place of their nodes, to a depth or to the bottom."""
    found = graph.get_graph(xray=xray).to_json()
    for node in found["nodes"]:
        if isinstance(node.get("data"), dict):
            node["data"].pop("id", None)  # a class of LangGraph's own
    return found


def outline(graph: Pregel) -> dict[str, Any]:
    """The graph in short: its own nodes, those it begins with, and its edges.

    ``edges`` are the [source, target] that always hold, ``conditional_edges`` the [source, target, label]
    that may, to the end too. ``state_schema`` has the type of each key, ``any`` for more than one.
    """
    drawn = drawing(graph, xray=False)
    nodes = [node["id"] for node in drawn["nodes"] if node["id"] not in (START, END)]
    edges = [(edge, [edge["source"], edge["target"]]) for edge in drawn["edges"]]
    entries = list(dict.fromkeys(target for _, (source, target) in edges if source == START))
    properties = state_schema(graph)["properties"]
    return {
        "nodes": nodes,
        "entry_point": entries[0] if len(entries) == 1 else entries,
        "edges": [ends for edge, ends in edges if not edge.get("conditional") and {*ends} <= {*nodes}],
        "conditional_edges": [[*ends, edge.get("data")] for edge, ends in edges if edge.get("conditional")],
        "state_schema": {key: schema.get("type", "any") for key, schema in properties.items()},
    }


def subgraphs(graph: Pregel, namespace: str | None = None, *, recurse: bool = False) -> dict[str, Any]:
    """The schemas of the graph's subgraphs, by the namespace each has."""
    found = graph.get_subgraphs(namespace=namespace, recurse=recurse)
    return {name: schemas(subgraph) for name, subgraph in found if isinstance(subgraph, Pregel)}


def _json_schema(kind: Any) -> dict[str, Any]:
    return TypeAdapter(kind).json_schema()


def _described(describe: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    try:
        return describe() or {}
    except INDESCRIBABLE as exc:
        logger.warning("A type of a graph's has no JSON schema: %s", exc)
        return {}
