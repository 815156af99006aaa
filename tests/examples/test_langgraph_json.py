from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

ROOT = Path(__file__).parents[2]
ENTRIES = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
GRAPHS: dict[str, str] = {name: entry["path"] for name, entry in ENTRIES.items()}


def load(target: str) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Load a graph from its file as a server does, without a place in sys.modules."""
    path, _, name = target.partition(":")
    spec = spec_from_file_location("loaded_by_path", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, name)
    if isinstance(found, StateGraph):
        return found.compile()
    return found if isinstance(found, CompiledStateGraph) else found({})


def test_the_agent_comes_first() -> None:
    assert list(GRAPHS) == ["agent", "approval", "research"]


@pytest.mark.parametrize("target", GRAPHS.values(), ids=GRAPHS.keys())
def test_every_graph_loads_and_describes_itself(target: str) -> None:
    graph = load(target)

    assert list(graph.get_input_jsonschema()["properties"]) == ["messages"]
    assert "messages" in graph.get_output_jsonschema()["properties"]
    assert "delay" in (graph.get_context_jsonschema() or {})["properties"]
    assert len(graph.get_graph(xray=True).nodes) > 3


@pytest.mark.parametrize("target", GRAPHS.values(), ids=GRAPHS.keys())
def test_every_graph_runs_to_an_answer_or_a_question(target: str) -> None:
    asked = {"messages": [{"role": "user", "content": "Hello"}]}

    result = load(target).invoke(asked, {"configurable": {"delay": 0}})

    assert result["messages"][-1].text
