from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph.types import Command
from langgraph_sdk.client import LangGraphClient, SyncLangGraphClient
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError

from tests.clients.streams import collect
from tests.runs.api import human

Remote = Callable[[str], RemoteGraph]


@pytest.fixture
def remote(sync_client: SyncLangGraphClient) -> Remote:
    return lambda graph: RemoteGraph(graph, sync_client=sync_client)


@pytest.fixture
def aremote(client: LangGraphClient) -> Remote:
    return lambda graph: RemoteGraph(graph, client=client)


@pytest.fixture
def config() -> RunnableConfig:
    """That of a thread which is not there yet."""
    return {"configurable": {"thread_id": str(uuid.uuid4())}}


# --- without a thread ---


def test_no_thread_is_needed(remote: Remote) -> None:
    assert remote("sub").invoke({"text": "x"}) == {"text": "x", "log": ["inner x", "after x"]}
    assert list(remote("slow").stream({"text": "1"})) == [{"node": {"log": ["1 steps"]}}]
    assert list(remote("slow").stream({"text": "1"}, stream_mode="custom")) == [{"step": 1}]


async def test_no_thread_is_needed_asynchronously(aremote: Remote) -> None:
    assert await aremote("sub").ainvoke({"text": "x"}) == {"text": "x", "log": ["inner x", "after x"]}
    stream = aremote("sub").astream({"text": "x"}, stream_mode=["updates"], subgraphs=True)
    assert [(bool(namespace), mode) for namespace, mode, _ in await collect(stream)] == [
        (True, "updates"),
        (False, "updates"),
        (False, "updates"),
    ]


def test_without_a_thread_nothing_is_remembered(remote: Remote) -> None:
    assert [remote("slow").invoke({"text": "0"})["log"] for _ in range(2)] == [["0 steps"]] * 2


def test_a_failure_without_a_thread_is_raised(remote: Remote) -> None:
    with pytest.raises(RemoteException, match="boom: x"):
        remote("fails").invoke({"text": "x"})


# --- running ---


def test_a_remote_graph_is_invoked(remote: Remote, config: RunnableConfig) -> None:
    assert remote("sub").invoke({"text": "x"}, config) == {"text": "x", "log": ["inner x", "after x"]}


async def test_a_remote_graph_is_invoked_asynchronously(aremote: Remote, config: RunnableConfig) -> None:
    found = await aremote("sub").ainvoke({"text": "x"}, config)
    assert found == {"text": "x", "log": ["inner x", "after x"]}


def test_the_thread_remembers(remote: Remote, config: RunnableConfig) -> None:
    remote("slow").invoke({"text": "0"}, config)
    assert remote("slow").invoke({"text": "1"}, config) == {"text": "1", "log": ["0 steps", "1 steps"]}


def test_config_and_context_reach_the_graph(remote: Remote, config: RunnableConfig) -> None:
    told: RunnableConfig = {"tags": ["mine"], "configurable": {**config["configurable"], "a": 1}}
    seen = remote("config").invoke({"seen": {}}, told)["seen"]
    assert (seen["tags"], seen["configurable"]["a"]) == (["mine"], 1)
    seen = remote("config").invoke({"seen": {}}, config, context={"b": 2})["seen"]
    assert seen["configurable"]["b"] == 2


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (None, [{"node": {"log": ["1 steps"]}}]),
        ("updates", [{"node": {"log": ["1 steps"]}}]),
        ("values", [{"text": "1", "log": []}, {"text": "1", "log": ["1 steps"]}]),
        ("custom", [{"step": 1}]),
    ],
)
def test_a_stream_of_one_mode_is_of_its_data(
    remote: Remote, config: RunnableConfig, mode: Any, expected: list[Any]
) -> None:
    assert list(remote("slow").stream({"text": "1"}, config, stream_mode=mode)) == expected


@pytest.mark.parametrize(("mode", "count"), [("tasks", 2), ("checkpoints", 3), ("debug", 5)])
def test_the_modes_for_looking_inside(remote: Remote, config: RunnableConfig, mode: Any, count: int) -> None:
    assert len(list(remote("slow").stream({"text": "1"}, config, stream_mode=mode))) == count


def test_a_stream_of_several_modes_names_them(remote: Remote, config: RunnableConfig) -> None:
    modes: Any = ["values", "custom"]
    parts: list[Any] = list(remote("slow").stream({"text": "1"}, config, stream_mode=modes))
    assert [part.event for part in parts] == ["values", "custom", "values"]


def test_messages_are_streamed_in_pieces(remote: Remote, config: RunnableConfig) -> None:
    pieces: list[Any] = list(remote("tokens").stream(human("hi"), config, stream_mode="messages"))
    answer = remote("tokens").get_state(config).values["messages"][-1]
    assert len(pieces) > 2
    assert "".join(message["content"] for message, _ in pieces) == answer["content"]
    assert {metadata["langgraph_node"] for _, metadata in pieces} == {"node"}


async def test_a_stream_tells_subgraphs_apart(aremote: Remote, config: RunnableConfig) -> None:
    stream = aremote("sub").astream({"text": "x"}, config, stream_mode="updates", subgraphs=True)
    found = [(tuple(name.split(":")[0] for name in ns), update) for ns, update in await collect(stream)]
    assert found == [
        (("child",), {"inner": {"log": ["inner x"]}}),
        ((), {"child": {"text": "x", "log": ["inner x"]}}),
        ((), {"after": {"log": ["after x"]}}),
    ]


async def test_a_stream_of_subgraphs_and_modes(aremote: Remote, config: RunnableConfig) -> None:
    modes: Any = ["messages", "custom"]
    stream = aremote("nested_talk").astream(human("hi"), config, stream_mode=modes, subgraphs=True)
    found = {(len(ns), mode) for ns, mode, _ in await collect(stream)}
    assert found == {(1, "messages"), (1, "custom")}


def test_version_2_of_the_stream(remote: Remote, config: RunnableConfig) -> None:
    stream: Any = remote("interrupting").stream({"question": "?"}, config, stream_mode="values", version="v2")
    *_, last = stream
    assert (last["type"], last["ns"], last["data"]) == ("values", (), {"question": "?", "answers": []})
    assert [interrupt.value for interrupt in last["interrupts"]] == [{"question": "?"}]


# --- interrupts ---


def test_an_interrupt_is_returned_and_answered(remote: Remote, config: RunnableConfig) -> None:
    asked = remote("interrupting").invoke({"question": "sure?"}, config)
    assert [interrupt["value"] for interrupt in asked["__interrupt__"]] == [{"question": "sure?"}]
    answered = remote("interrupting").invoke(Command(resume="yes"), config)
    assert answered == {"question": "sure?", "answers": ["yes", "done"]}


async def test_parallel_interrupts_are_answered_by_id(aremote: Remote, config: RunnableConfig) -> None:
    graph = aremote("parallel_interrupts")
    await graph.ainvoke({"question": "?"}, config)
    waiting = (await graph.aget_state(config)).interrupts
    assert {interrupt.value for interrupt in waiting} == {"left", "right"}
    answers = {interrupt.id: f"{interrupt.value} answered" for interrupt in waiting}
    answered = await graph.ainvoke(Command(resume=answers), config)
    assert answered["answers"] == ["left answered", "right answered"]


def test_breakpoints(remote: Remote, config: RunnableConfig) -> None:
    graph = remote("sub")
    assert graph.invoke({"text": "x"}, config, interrupt_before=["after"])["log"] == ["inner x"]
    assert graph.get_state(config).next == ("after",)
    assert graph.invoke(None, config)["log"] == ["inner x", "after x"]


def test_a_command_updates_and_goes_elsewhere(remote: Remote, config: RunnableConfig) -> None:
    remote("sub").invoke({"text": "x"}, config)
    command: Command[Any] = Command(update={"text": "y"}, goto="after")
    assert remote("sub").invoke(command, config) == {"text": "y", "log": ["inner x", "after x", "after y"]}


# --- state ---


def test_the_state_is_a_snapshot(remote: Remote, config: RunnableConfig) -> None:
    remote("sub").invoke({"text": "x"}, config)
    state = remote("sub").get_state(config)
    assert (state.values, state.next, state.tasks) == ({"text": "x", "log": ["inner x", "after x"]}, (), ())
    assert state.config["configurable"]["thread_id"] == config["configurable"]["thread_id"]
    assert state.parent_config
    assert (state.metadata or {})["source"] == "loop"
    assert remote("sub").get_state(state.config) == state


def test_the_state_of_a_paused_graph(remote: Remote, config: RunnableConfig) -> None:
    remote("interrupting").invoke({"question": "sure?"}, config)
    state = remote("interrupting").get_state(config)
    [task] = state.tasks
    assert (state.next, task.name) == (("ask",), "ask")
    assert [interrupt.value for interrupt in task.interrupts] == [{"question": "sure?"}]
    assert state.interrupts == task.interrupts


def test_the_state_of_a_subgraph(remote: Remote, config: RunnableConfig) -> None:
    remote("sub").invoke({"text": "x"}, config)
    [before] = [state for state in remote("sub").get_state_history(config) if state.next == ("child",)]
    state: Any = remote("sub").get_state(before.config, subgraphs=True)
    [task] = state.tasks
    assert task.state.values == {"text": "x", "log": ["inner x"]}
    where = task.state.config["configurable"]
    assert where["checkpoint_ns"] == f"child:{task.id}"
    assert remote("sub").get_state(task.state.config).values == task.state.values


def test_a_subgraph_that_has_not_begun_is_no_failure(remote: Remote, config: RunnableConfig) -> None:
    remote("sub").invoke({"text": "x"}, config, interrupt_before=["child"])
    assert remote("sub").get_state(config, subgraphs=True).next == ("child",)


def test_an_update_says_where_it_was_written(remote: Remote, config: RunnableConfig) -> None:
    graph = remote("sub")
    graph.invoke({"text": "x"}, config)
    before = graph.get_state(config)
    written = graph.update_state(config, {"log": ["by hand"]}, as_node="child")
    state = graph.get_state(written)
    assert state == graph.get_state(config)
    assert (state.values["log"], state.next) == (["inner x", "after x", "by hand"], ("after",))
    assert state.parent_config == before.config


async def test_an_update_at_a_checkpoint_forks_there(aremote: Remote, config: RunnableConfig) -> None:
    graph = aremote("sub")
    await graph.ainvoke({"text": "x"}, config)
    past = [state async for state in graph.aget_state_history(config)][1]
    await graph.aupdate_state(past.config, {"text": "fork"})
    state = await graph.aget_state(config)
    assert (state.values, state.parent_config) == ({"text": "fork", "log": ["inner x"]}, past.config)
    assert (await graph.ainvoke(None, config))["log"] == ["inner x", "after fork"]


async def test_the_history(aremote: Remote, config: RunnableConfig) -> None:
    graph = aremote("sub")
    await graph.ainvoke({"text": "x"}, config)
    states = [state async for state in graph.aget_state_history(config)]
    assert [state.next for state in states] == [(), ("after",), ("child",), ("__start__",)]
    older = graph.aget_state_history(config, before=states[0].config, limit=1)
    assert [state async for state in older] == states[1:2]
    of_loops = graph.aget_state_history(config, filter={"source": "loop"})
    assert [state async for state in of_loops] == states[:3]


# --- drawing ---


def test_a_drawing(remote: Remote) -> None:
    drawing = remote("sub").get_graph()
    assert set(drawing.nodes) == {"__start__", "child", "after", "__end__"}
    assert ("child", "after") in [(edge.source, edge.target) for edge in drawing.edges]


async def test_a_drawing_of_what_is_inside(aremote: Remote) -> None:
    drawing = await aremote("sub").aget_graph(xray=True)
    assert "child:inner" in drawing.nodes
    assert "subgraph child" in drawing.draw_mermaid()


# --- errors ---


def test_a_failure_of_the_graph_is_raised(remote: Remote, config: RunnableConfig) -> None:
    with pytest.raises(RemoteException) as raised:
        remote("fails").invoke({"text": "x"}, config)
    assert raised.value.args == ({"error": "ValueError", "message": "boom: x"},)


def test_an_unknown_graph_is_refused(remote: Remote, config: RunnableConfig) -> None:
    with pytest.raises(UnprocessableEntityError, match="Invalid assistant: 'nope'"):
        remote("nope").invoke({"text": "x"}, config)


def test_a_thread_that_is_not_there_has_no_state(remote: Remote, config: RunnableConfig) -> None:
    with pytest.raises(NotFoundError, match=r"Thread with ID .* not found"):
        remote("sub").get_state(config)
