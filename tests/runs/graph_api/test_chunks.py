"""What graphs do, as chunks: without a server and without a database."""

from __future__ import annotations

import operator
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.pregel import Pregel
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

import examples.agent
from examples.fake_model import FakeModel
from runs.graph_api.chunks import Chunks
from tests.graphs import chatting, nested_talk, pausing, plain
from tests.graphs.plain import Chat, one_node
from threads.visibility import Visibility

Chunk = dict[str, Any]


class PlainList(TypedDict, total=False):
    messages: Annotated[list[Any], operator.add]


class Secret(TypedDict, total=False):
    secret: str


class WithSecret(Chat, Secret, total=False):
    pass


class WithReport(Chat, total=False):
    report: AIMessage


async def told(
    graph: Pregel[Any, Any, Any, Any],
    text: str = "hi",
    *,
    given: Any = None,
    config: RunnableConfig | None = None,
) -> list[Chunk]:
    """The chunks of a run."""
    chunks = Chunks(graph, Visibility(graph), run_id="r", thread_id="t")
    makers: Any = {"messages": chunks.of_message, "updates": chunks.of_updates, "values": chunks.of_values}
    found: list[Chunk] = []
    async for namespace, mode, streamed in graph.astream(
        given or {"messages": [{"role": "user", "content": text}]},
        config,
        stream_mode=list(makers),
        subgraphs=True,
        output_keys=graph.output_channels,
    ):
        found += [chunk for _, chunk in makers[mode](namespace, streamed)]
    return [*found, *(chunk for _, chunk in chunks.last())]


def of(chunks: list[Chunk], kind: str) -> list[Chunk]:
    return [chunk for chunk in chunks if chunk["type"] == kind]


def kinds(chunks: list[Chunk]) -> list[str]:
    """Types in order, one for each row of a message's pieces."""
    found = [chunk["type"] for chunk in chunks]
    return [kind for kind, before in zip(found, [None, *found], strict=False) if {kind, before} != PIECE]


def fields(chunks: list[Chunk], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(chunk[name] for name in names) for chunk in chunks]


PIECE = {"message_chunk"}
WHOLE = ["message_start", "message_chunk", "message_end"]


async def test_every_chunk_says_its_run_and_thread() -> None:
    chunks = await told(examples.agent.graph, "What is 6 * 7?")
    assert {(chunk["run_id"], chunk["thread_id"]) for chunk in chunks} == {("r", "t")}


# Streamed messages


async def test_a_message_begins_comes_in_pieces_and_ends() -> None:
    chunks = await told(plain.tokens.compile())
    [start], [end], pieces = (of(chunks, kind) for kind in ("message_start", "message_end", "message_chunk"))
    assert kinds(chunks) == WHOLE
    assert len(pieces) > 5
    assert "".join(piece["content"] for piece in pieces) == end["content"]
    assert {chunk["message_id"] for chunk in chunks} == {start["message_id"]}
    assert (start["role"], start["node"]) == ("assistant", "node")
    assert end["usage"]["total_tokens"] > 0


async def test_a_streamed_message_has_the_id_that_it_has_in_the_state() -> None:
    graph = plain.tokens.compile(checkpointer=InMemorySaver())
    config = RunnableConfig(configurable={"thread_id": "1"})
    [start] = of(await told(graph, config=config), "message_start")
    assert start["message_id"] == graph.get_state(config).values["messages"][-1].id


async def test_messages_of_parallel_nodes_are_told_apart() -> None:
    chunks = await told(chatting.parallel)
    nodes = {chunk["message_id"]: chunk["node"] for chunk in of(chunks, "message_start")}
    texts = dict.fromkeys(nodes, "")
    for chunk in of(chunks, "message_chunk"):
        texts[chunk["message_id"]] += chunk["content"]
    assert {nodes[one]: text for one, text in texts.items()} == {
        "say_left": "left one two three",
        "say_right": "right one two three",
    }
    assert kinds(chunks).index("message_end") > 3  # at the same time


async def test_a_tool_loop_is_told_call_by_call() -> None:
    chunks = await told(examples.agent.graph, "What is 6 * 7, and the weather in Paris?")
    calls, results = of(chunks, "tool_call"), of(chunks, "tool_result")
    said = ["message_start", "message_chunk"]
    calls_and_end = ["tool_call", "tool_call", "message_end", "tool_result", "tool_result"]
    assert kinds(chunks) == [*said, *calls_and_end, *said, "message_end"]
    assert fields(calls, "name", "args") == [
        ("get_weather", {"city": "Paris"}),
        ("calculator", {"expression": "6 * 7"}),
    ]
    assert {one["tool_call_id"] for one in calls} == {one["tool_call_id"] for one in results}
    assert ("calculator", "6 * 7 = 42", "success") in fields(results, "name", "content", "status")
    assert {one["message_id"] for one in calls} == {of(chunks, "message_start")[0]["message_id"]}


async def test_a_subgraphs_message_is_told_once_and_while_it_is_said() -> None:
    chunks = await told(nested_talk.graph)
    assert kinds(chunks) == WHOLE
    assert len(of(chunks, "message_chunk")) == 2
    assert fields(of(chunks, "message_start"), "node") == [("node",)]


async def test_what_a_node_writes_anew_is_not_told_twice() -> None:
    chunks = await told(chatting.anew)
    assert kinds(chunks) == WHOLE
    assert fields(of(chunks, "message_end"), "content") == [("said once",)]


async def test_several_messages_of_one_node_are_told_one_after_another() -> None:
    async def talk(state: Chat) -> Any:
        first, second = FakeModel(delay=0, says="one"), FakeModel(delay=0, says="two")
        return {"messages": [await first.ainvoke("hi"), await second.ainvoke("hi")]}

    chunks = await told(one_node(Chat, talk).compile())
    assert kinds(chunks) == WHOLE * 2
    assert fields(of(chunks, "message_end"), "content") == [("one",), ("two",)]


async def test_pieces_whose_ids_change_are_one_message() -> None:
    class Wandering(FakeModel):
        """As OpenAI's: its own id comes with some of the pieces."""

        def _chunks(self, *args: Any) -> Any:
            for number, chunk in enumerate(super()._chunks(*args)):
                chunk.id = "resp_1" if number == 1 else None
                yield chunk

    async def talk(state: Chat) -> Any:
        return {"messages": [await Wandering(delay=0, says="one two three").ainvoke("hi")]}

    chunks = await told(one_node(Chat, talk).compile())
    assert kinds(chunks) == WHOLE
    assert len({chunk["message_id"] for chunk in chunks}) == 1


async def test_a_message_that_broke_off_ends_with_its_step() -> None:
    class Breaking(FakeModel):
        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            async for chunk in super()._astream(*args, **kwargs):
                yield chunk
                raise ConnectionError

    async def talk(state: Chat) -> Any:
        try:
            return {"messages": [await Breaking(delay=0, says="one two").ainvoke("hi")]}
        except ConnectionError:
            return {"messages": [AIMessage("sorry")]}

    chunks = await told(one_node(Chat, talk).compile())
    assert kinds(chunks) == [*WHOLE[:2], *WHOLE, "message_end"]
    assert fields(of(chunks, "message_end"), "content") == [("sorry",), ("one ",)]


def test_counts_that_come_after_the_end_are_no_new_message() -> None:
    chunks = Chunks(plain.echo, Visibility(plain.echo), run_id="r", thread_id="t")
    call = {"langgraph_node": "node"}
    pieces = [
        AIMessageChunk(content="all", id="1", chunk_position="last"),
        AIMessageChunk(
            content="", id="1", usage_metadata={"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        ),
    ]
    found = [chunk for piece in pieces for _, chunk in chunks.of_message((), (piece, call))]
    assert kinds(found) == WHOLE


# Whole messages


async def test_a_whole_message_is_one_piece() -> None:
    chunks = await told(plain.echo)
    assert kinds(chunks) == WHOLE
    assert fields(of(chunks, "message_chunk"), "content") == [("echo: hi",)]
    assert "usage" not in of(chunks, "message_end")[0]


async def test_whole_messages_of_every_form_are_told() -> None:
    chunks = await told(chatting.whole)
    assert kinds(chunks) == [
        *WHOLE * 3,
        *["message_start", "tool_call", "message_end"],  # without a text
        "tool_result",
        *WHOLE,
    ]
    assert fields(of(chunks, "message_start"), "role", "node") == [
        ("assistant", "say_object"),
        ("assistant", "say_dict"),
        ("assistant", "say_blocks"),
        ("assistant", "ask_tool"),
        ("user", "say_as_user"),
    ]
    assert [content for (content,) in fields(of(chunks, "message_end"), "content")] == [
        "an object",
        "a dict",
        "Look: ",
        "",
        "for the user",
    ]
    [call], [result] = of(chunks, "tool_call"), of(chunks, "tool_result")
    assert call["tool_call_id"] == result["tool_call_id"] == "call_1"
    assert (result["name"], result["content"], result["status"]) == ("look", "seen", "success")


async def test_a_failed_tool_says_so() -> None:
    def answer(state: Chat) -> Any:
        return {"messages": [ToolMessage("no", tool_call_id="1", status="error")]}

    [result] = await told(one_node(Chat, answer).compile())
    assert (result["type"], result["status"], result["name"]) == ("tool_result", "error", None)


async def test_messages_in_other_keys_and_from_several_updates_are_told() -> None:
    def write(state: WithReport) -> Any:
        return [Command(update={"messages": [AIMessage("one")]}), {"report": AIMessage("two")}]

    chunks = await told(one_node(WithReport, write).compile())
    assert fields(of(chunks, "message_end"), "content") == [("one",), ("two",)]


@pytest.mark.parametrize("forget", [RemoveMessage(REMOVE_ALL_MESSAGES), RemoveMessage("old")])
async def test_neither_what_was_said_before_nor_its_removal_is_told(forget: RemoveMessage) -> None:
    def write(state: Chat) -> Any:
        return {"messages": [*state["messages"], forget, AIMessage("new")]}

    before = {"messages": [{"role": "user", "content": "x", "id": "old"}, AIMessage("earlier", id="2")]}
    chunks = await told(one_node(Chat, write).compile(), given=before)
    assert fields(of(chunks, "message_end"), "content") == [("new",)]


async def test_messages_without_ids_are_told_once() -> None:
    """In a list that is not LangGraph's own, where one element is no message at all."""

    def one(state: PlainList) -> Any:
        return {"messages": [{"role": "assistant", "content": "one"}, "no message"]}

    def two(state: PlainList) -> Any:
        return {"messages": [{"role": "assistant", "content": "two"}, {"role": "nobody"}]}

    chunks = await told(chatting.chain(PlainList, one, two).compile())
    assert fields(of(chunks, "message_end"), "content") == [("one",), ("two",)]
    assert fields(of(chunks, "message_start"), "node") == [("one",), ("two",)]


# Interrupts


async def test_an_interrupt_is_told_last() -> None:
    graph = chatting.asks.copy(update={"checkpointer": InMemorySaver()})
    config = RunnableConfig(configurable={"thread_id": "1"})
    *_, chunk = await told(graph, config=config)
    [interrupted] = chunk["interrupts"]
    assert (chunk["type"], interrupted.value) == ("interrupt", "Sure?")
    resumed = await told(graph, given=Command(resume=True), config=config)
    assert fields(of(resumed, "message_end"), "content") == [("You answered true.",), ("an object",)]


async def test_parallel_interrupts_are_told_in_one_chunk() -> None:
    graph = pausing.parallel_interrupts.copy(update={"checkpointer": InMemorySaver()})
    config = RunnableConfig(configurable={"thread_id": "1"})
    [chunk] = await told(graph, given={"question": "?"}, config=config)
    assert sorted(one.value for one in chunk["interrupts"]) == ["left", "right"]


async def test_a_subgraphs_interrupt_is_told_once() -> None:
    def ask(state: Chat) -> Any:
        return {"messages": [AIMessage(interrupt("inner?"))]}

    child = one_node(Chat, ask).compile()
    graph = one_node(Chat, child).compile(checkpointer=InMemorySaver())
    [chunk] = await told(graph, config=RunnableConfig(configurable={"thread_id": "1"}))
    assert [one.value for one in chunk["interrupts"]] == ["inner?"]


async def test_what_a_subgraph_said_before_its_interrupt_is_not_told_again() -> None:
    def ask(state: Chat) -> Any:
        return {"messages": [AIMessage(f"answered {interrupt('inner?')}")]}

    child = chatting.chain(Chat, chatting.say_object, chatting.say_dict, ask).compile()
    graph = one_node(Chat, child).compile(checkpointer=InMemorySaver())
    config = RunnableConfig(configurable={"thread_id": "1"})
    before = await told(graph, config=config)
    after = await told(graph, given=Command(resume="yes"), config=config)
    assert fields(of(before, "message_end"), "content") == [("an object",), ("a dict",)]
    assert fields(of(after, "message_end"), "content") == [("answered yes",)]


async def test_a_breakpoint_is_an_interrupt_without_a_question() -> None:
    graph = one_node(Chat, plain.say_again).compile(checkpointer=InMemorySaver(), interrupt_before=["node"])
    [chunk] = await told(graph, config=RunnableConfig(configurable={"thread_id": "1"}))
    assert (chunk["type"], chunk["interrupts"]) == ("interrupt", [])


# What the output schema hides


async def test_hidden_messages_are_not_told_and_the_others_whole() -> None:
    chunks = await told(chatting.hidden)
    assert kinds(chunks) == WHOLE
    assert fields(of(chunks, "message_chunk"), "content") == [("nothing to see",)]
    assert "hunter2" not in str(chunks)


async def test_hidden_values_that_are_no_messages_do_not_hold_up_the_others() -> None:
    async def talk(state: WithSecret) -> Any:
        said = await FakeModel(delay=0, says="one two").ainvoke("hi")
        return {"messages": [said], "secret": "hunter2"}

    chunks = await told(one_node(WithSecret, talk, output_schema=Chat).compile())
    assert len(of(chunks, "message_chunk")) == 2
    assert "hunter2" not in str(chunks)


async def test_of_a_graph_that_hides_its_messages_nothing_is_told() -> None:
    async def talk(state: WithSecret) -> Any:
        return {"messages": [await FakeModel(delay=0, says="hunter2").ainvoke("hi"), AIMessage("hunter2")]}

    assert await told(one_node(WithSecret, talk, output_schema=Secret).compile()) == []


async def test_a_subgraph_tells_nothing_that_the_graph_around_it_hides() -> None:
    async def talk(state: Chat) -> Any:
        return {"messages": [await FakeModel(delay=0, says="hunter2").ainvoke("hi"), AIMessage("hunter2")]}

    child = one_node(Chat, talk).compile()
    assert await told(one_node(WithSecret, child, output_schema=Secret).compile()) == []
