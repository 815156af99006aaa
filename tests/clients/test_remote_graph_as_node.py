from __future__ import annotations

import operator
import uuid
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph.types import Command
from langgraph_sdk.client import LangGraphClient, SyncLangGraphClient
from typing_extensions import TypedDict

from tests.clients.streams import collect
from tests.runs.api import human


class State(TypedDict, total=False):
    """The keys of all graphs that are used as a node here."""

    text: str
    question: str
    log: Annotated[list[str], operator.add]
    answers: Annotated[list[str], operator.add]
    messages: Annotated[list[AnyMessage], add_messages]


def around(remote: RemoteGraph, *, checkpointer: Any = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A local graph of two nodes, the first of them remote."""
    builder = StateGraph(State)
    builder.add_node("remote", remote)
    builder.add_node("local", lambda state: {"log": ["local"]})
    builder.add_edge(START, "remote")
    builder.add_edge("remote", "local")
    builder.add_edge("local", END)
    return builder.compile(checkpointer=checkpointer)


Around = Callable[..., CompiledStateGraph[Any, Any, Any, Any]]


@pytest.fixture
def parent(sync_client: SyncLangGraphClient) -> Around:
    """Builds a local graph around a remote one of that name."""
    return lambda graph, **options: around(RemoteGraph(graph, sync_client=sync_client), **options)


@pytest.fixture
def aparent(client: LangGraphClient) -> Around:
    """See ``parent``; to be called asynchronously."""
    return lambda graph, **options: around(RemoteGraph(graph, client=client), **options)


@pytest.fixture
def config() -> RunnableConfig:
    return {"configurable": {"thread_id": str(uuid.uuid4())}}


def shape(parts: list[Any]) -> list[tuple[str, ...]]:
    """Namespaces without the ids of their tasks."""
    return [tuple(name.split(":")[0] for name in namespace) for namespace, *_ in parts]


def test_a_remote_node_is_a_node(parent: Around, config: RunnableConfig) -> None:
    values = parent("sub").invoke({"text": "x"}, config)
    assert values["log"] == ["inner x", "after x", "local"]


async def test_a_remote_node_is_a_node_asynchronously(aparent: Around, config: RunnableConfig) -> None:
    values = await aparent("sub").ainvoke({"text": "x"}, config)
    assert values["log"] == ["inner x", "after x", "local"]


def test_a_parent_with_a_checkpointer_and_its_remote_node_each_keep_their_state(
    parent: Around, config: RunnableConfig, sync_client: SyncLangGraphClient
) -> None:
    graph = parent("echo", checkpointer=InMemorySaver())
    graph.invoke(human("one"), config)
    graph.invoke(human("two"), config)
    said = ["one", "echo: one", "two", "echo: two"]
    assert [message.content for message in graph.get_state(config).values["messages"]] == said
    there: Any = sync_client.threads.get_state(config["configurable"]["thread_id"])
    assert [message["content"] for message in there["values"]["messages"]] == said


def test_without_subgraphs_only_the_parents_events_are_streamed(
    parent: Around, config: RunnableConfig
) -> None:
    modes: Any = ["updates", "values"]
    parts = list(parent("sub").stream({"text": "x"}, config, stream_mode=modes))
    assert [mode for mode, _ in parts] == ["values", "updates", "values", "updates", "values"]
    assert [list(data) for mode, data in parts if mode == "updates"] == [["remote"], ["local"]]


def test_with_subgraphs_the_remote_graphs_events_are_streamed_as_well(
    parent: Around, config: RunnableConfig
) -> None:
    parts = list(parent("sub").stream({"text": "x"}, config, stream_mode="updates", subgraphs=True))
    assert shape(parts) == [("remote", "child"), ("remote",), ("remote",), (), ()]
    assert [list(update) for _, update in parts] == [["inner"], ["child"], ["after"], ["remote"], ["local"]]


async def test_what_a_remote_node_says_and_writes_is_streamed(
    aparent: Around, config: RunnableConfig
) -> None:
    modes: Any = ["messages", "custom"]
    stream = aparent("nested_talk").astream(human("hi"), config, stream_mode=modes, subgraphs=True)
    parts = await collect(stream)
    assert [data for _, mode, data in parts if mode == "custom"] == [{"about": "to talk"}]
    said = [message["content"] for _, mode, (message, *_) in parts if mode == "messages"]
    assert "".join(said) == "one two"
    assert set(shape(parts)) == {("remote", "child")}


def test_a_remote_interrupt_interrupts_the_parent(parent: Around, config: RunnableConfig) -> None:
    graph = parent("interrupting", checkpointer=InMemorySaver())
    values = graph.invoke({"question": "sure?"}, config)
    assert [interrupt.value for interrupt in values["__interrupt__"]] == [{"question": "sure?"}]
    state = graph.get_state(config)
    assert state.next == ("remote",)
    assert [interrupt.value for interrupt in state.interrupts] == [{"question": "sure?"}]


def test_a_parent_goes_on_with_what_the_remote_graph_answered(
    parent: Around, config: RunnableConfig, sync_client: SyncLangGraphClient
) -> None:
    graph = parent("interrupting", checkpointer=InMemorySaver())
    graph.invoke({"question": "sure?"}, config)
    answered = RemoteGraph("interrupting", sync_client=sync_client).invoke(Command(resume="yes"), config)
    graph.update_state(config, answered, as_node="remote")
    values = graph.invoke(None, config)
    assert (values["answers"], values["log"]) == (["yes", "done"], ["local"])


def test_a_remote_failure_fails_the_parent(parent: Around, config: RunnableConfig) -> None:
    with pytest.raises(RemoteException, match="boom: x"):
        parent("fails").invoke({"text": "x"}, config)
