from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StreamMode

from examples.research import make_graph

Graph = CompiledStateGraph[Any, Any, Any, Any]

CONFIG: RunnableConfig = {"configurable": {"thread_id": "1", "delay": 0}}


def asked(topic: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Please research {topic}."}]}


@pytest.fixture
def research() -> Graph:
    return make_graph({}).copy({"checkpointer": InMemorySaver()})


def searches(graph: Graph) -> list[str]:
    return sorted(name for name in graph.get_graph(xray=True).nodes if "search_" in name)


@pytest.mark.parametrize(("questions", "count"), [(1, 1), (4, 4), (0, 1), (99, 4)])
def test_the_factory_builds_as_many_searches_as_configured(questions: int, count: int) -> None:
    assert len(searches(make_graph({"configurable": {"questions": questions}}))) == count


async def test_the_report_ends_the_conversation(research: Graph) -> None:
    result = await research.ainvoke(asked("Django"), CONFIG)

    assert result.keys() == {"messages", "sources"}
    assert [message.type for message in result["messages"]] == ["human", "ai"]
    assert result["messages"][-1].text.startswith("## A report on Django\n")
    assert len(result["sources"]) == 3


async def test_a_second_report_starts_afresh(research: Graph) -> None:
    await research.ainvoke(asked("Django"), CONFIG)

    result = await research.ainvoke(asked("Postgres"), CONFIG)

    assert len(result["messages"]) == 4
    assert result["sources"][0]["question"] == "What is Postgres?"
    assert len(result["sources"]) == 3


async def test_the_subgraph_reports_progress(research: Graph) -> None:
    stream: Any = research.astream(asked("Django"), CONFIG, stream_mode="custom", subgraphs=True)
    events: list[Any] = [(len(namespace), event["step"]) async for namespace, event in stream]

    assert events == [(0, "plan"), *[(1, "search")] * 3, (1, "summarise"), (0, "write")]


async def test_the_subgraphs_chunks_carry_its_namespace(research: Graph) -> None:
    modes: list[StreamMode] = ["messages", "updates"]
    stream = research.astream(asked("Django"), CONFIG, stream_mode=modes, subgraphs=True)
    chunks = [chunk async for chunk in stream]

    inner = [(mode, data) for namespace, mode, data in chunks if namespace]
    assert all(ns[0].startswith("research:") for ns, _, _ in chunks if ns)
    assert len([data for mode, data in inner if mode == "messages"]) > 10
    assert {next(iter(data)) for mode, data in inner if mode == "updates"} >= {"search_1", "summarise"}
    assert len([mode for namespace, mode, _ in chunks if not namespace and mode == "messages"]) > 10


async def test_it_copes_with_an_empty_conversation(research: Graph) -> None:
    result = await research.ainvoke({"messages": []}, CONFIG)

    assert "nothing in particular" in result["messages"][-1].text


def test_it_works_without_an_event_loop(research: Graph) -> None:
    stream = research.stream(asked("Django"), CONFIG, stream_mode="custom")

    assert [event["step"] for event in stream] == ["plan", "write"]
    assert len(research.get_state(CONFIG).values["sources"]) == 3
