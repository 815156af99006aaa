from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient

from tests.clients.streams import collect, names, payloads
from tests.runs.api import human
from tests.runs.told import Folder

TWO_STEPS_OF_SLOW = {
    "values": ["values", "values"],
    "updates": ["updates"],
    "custom": ["custom", "custom"],
    "tasks": ["tasks", "tasks"],
    "checkpoints": ["checkpoints", "checkpoints", "checkpoints"],
    "debug": ["debug"] * 5,
}


@pytest.mark.parametrize(("mode", "expected"), TWO_STEPS_OF_SLOW.items())
async def test_each_mode_has_its_events(
    client: LangGraphClient, thread_id: str, mode: Any, expected: list[str]
) -> None:
    parts = await collect(client.runs.stream(thread_id, "slow", input={"text": "2"}, stream_mode=mode))
    assert names(parts) == ["metadata", *expected]


async def test_the_default_mode_is_values(client: LangGraphClient, thread_id: str) -> None:
    parts = await collect(client.runs.stream(thread_id, "slow", input={"text": "0"}))
    assert payloads(parts, "values") == [{"text": "0", "log": []}, {"text": "0", "log": ["0 steps"]}]


async def test_modes_are_streamed_together_in_order(client: LangGraphClient, thread_id: str) -> None:
    modes: Any = ["updates", "custom", "values"]
    parts = await collect(client.runs.stream(thread_id, "slow", input={"text": "1"}, stream_mode=modes))
    assert names(parts) == ["metadata", "values", "custom", "updates", "values"]
    assert payloads(parts, "updates") == [{"node": {"log": ["1 steps"]}}]
    assert payloads(parts, "custom") == [{"step": 1}]


async def test_messages_tuple_streams_a_message_in_pieces(client: LangGraphClient, thread_id: str) -> None:
    modes: Any = ["messages-tuple", "values"]
    parts = await collect(client.runs.stream(thread_id, "tokens", input=human("hi"), stream_mode=modes))
    pieces = payloads(parts, "messages")
    answer = payloads(parts, "values")[-1]["messages"][-1]
    assert len(pieces) > 2
    assert "".join(piece["content"] for piece, _ in pieces) == answer["content"]
    assert {piece["id"] for piece, _ in pieces} == {answer["id"]}
    assert {piece["type"] for piece, _ in pieces} == {"AIMessageChunk"}
    assert pieces[-1][0]["chunk_position"] == "last"
    assert {metadata["langgraph_node"] for _, metadata in pieces} == {"node"}
    assert {metadata["thread_id"] for _, metadata in pieces} == {thread_id}


async def test_messages_streams_a_message_as_it_grows(client: LangGraphClient, thread_id: str) -> None:
    parts = await collect(client.runs.stream(thread_id, "tokens", input=human("hi"), stream_mode="messages"))
    assert set(names(parts)) == {"metadata", "messages/metadata", "messages/partial"}
    grown = [message["content"] for [message] in payloads(parts, "messages/partial")]
    assert grown == sorted(grown, key=len)
    [metadata] = payloads(parts, "messages/metadata")
    [(key, value)] = metadata.items()
    assert value["metadata"]["langgraph_node"] == "node"
    assert {message["id"] for [message] in payloads(parts, "messages/partial")} == {key}


async def test_events_tells_what_happens_inside(client: LangGraphClient, thread_id: str) -> None:
    parts = await collect(client.runs.stream(thread_id, "tokens", input=human("hi"), stream_mode="events"))
    happened = [event["event"] for event in payloads(parts, "events")]
    assert (happened[0], happened[-1]) == ("on_chain_start", "on_chain_end")
    assert {"on_chat_model_start", "on_chat_model_stream", "on_chat_model_end"} <= set(happened)


async def test_subgraphs_events_carry_their_namespace(client: LangGraphClient, thread_id: str) -> None:
    modes: Any = ["values", "updates", "messages-tuple", "custom", "tasks", "checkpoints", "debug"]
    parts = await collect(
        client.runs.stream(
            thread_id, "nested_talk", input=human("hi"), stream_mode=modes, stream_subgraphs=True
        )
    )
    nested = [name.split("|") for name in names(parts) if "|" in name]
    assert {mode for mode, _ in nested} == {*modes, "messages"} - {"messages-tuple"}
    [namespace] = {namespace for _, namespace in nested}
    assert re.fullmatch("child:[0-9a-f-]{36}", namespace)


async def test_without_subgraphs_there_are_only_the_graphs_own_events(
    client: LangGraphClient, thread_id: str
) -> None:
    parts = await collect(client.runs.stream(thread_id, "sub", input={"text": "x"}, stream_mode="updates"))
    assert [list(update) for update in payloads(parts, "updates")] == [["child"], ["after"]]


async def test_version_2_tells_mode_namespace_and_interrupts(client: LangGraphClient, thread_id: str) -> None:
    modes: Any = ["updates", "values"]
    stream = client.runs.stream(
        thread_id, "sub", input={"text": "x"}, stream_mode=modes, stream_subgraphs=True, version="v2"
    )
    parts = await collect(stream)
    [inner] = [part for part in parts if part["type"] == "updates" and part["ns"]]
    assert inner["data"] == {"inner": {"log": ["inner x"]}}
    stream = client.runs.stream(thread_id, "interrupting", input={"question": "sure?"}, version="v2")
    *_, last = await collect(stream)
    assert [interrupt["value"] for interrupt in last["interrupts"]] == [{"question": "sure?"}]
    assert "__interrupt__" not in last["data"]


async def test_resumable_streams_have_ids(client: LangGraphClient, thread_id: str) -> None:
    stream = client.runs.stream(thread_id, "slow", input={"text": "2"}, stream_resumable=True)
    ids = [part.id for part in await collect(stream)]
    assert None not in ids
    assert len(set(ids)) == len(ids)
    stream = client.runs.stream(thread_id, "slow", input={"text": "0"})
    assert {part.id for part in await collect(stream)} == {None}


async def test_the_run_is_known_before_its_first_event(client: LangGraphClient, thread_id: str) -> None:
    created: list[Any] = []
    stream = client.runs.stream(thread_id, "slow", input={"text": "0"}, on_run_created=created.append)
    first = await anext(stream)
    assert created == [{"run_id": first.data["run_id"], "thread_id": thread_id}]
    assert first.data == {"run_id": created[0]["run_id"], "attempt": 1, "thread_id": thread_id}
    await collect(stream)


async def test_events_arrive_while_the_run_goes_on(
    client: LangGraphClient, thread_id: str, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        stream = client.runs.stream(thread_id, "two_steps", input=folder.input, stream_mode="custom")
        assert [(await anext(stream)).event for _ in range(2)] == ["metadata", "custom"]
        assert (await client.threads.get(thread_id))["status"] == "busy"
        folder.open("gate")
        assert await collect(stream) == []
    assert (await client.threads.get(thread_id))["status"] == "idle"


async def test_a_run_is_over_when_its_stream_is(client: LangGraphClient, thread_id: str) -> None:
    for _ in range(3):
        first, *_ = await collect(client.runs.stream(thread_id, "slow", input={"text": "0"}))
        assert (await client.runs.get(thread_id, first.data["run_id"]))["status"] == "success"


@pytest.mark.parametrize(("on_disconnect", "status"), [("continue", "success"), ("cancel", "interrupted")])
async def test_what_becomes_of_a_run_whose_client_leaves(
    client: LangGraphClient, thread_id: str, tmp_path: Path, on_disconnect: Any, status: str
) -> None:
    with Folder(tmp_path) as folder:
        stream: Any = client.runs.stream(
            thread_id, "two_steps", input=folder.input, stream_mode="custom", on_disconnect=on_disconnect
        )
        run_id = (await anext(stream)).data["run_id"]
        await folder.await_line("second")
        await stream.aclose()
        if on_disconnect == "continue":
            folder.open("gate")
        await client.runs.create(thread_id, "slow", input={"text": "0"})  # its turn comes after the other's
        assert (await client.runs.get(thread_id, run_id))["status"] == status


async def test_a_failure_is_an_event(client: LangGraphClient, thread_id: str) -> None:
    parts = await collect(client.runs.stream(thread_id, "fails", input={"text": "x"}))
    assert names(parts) == ["metadata", "values", "error"]
    assert parts[-1].data == {"error": "ValueError", "message": "boom: x"}
    run: Any = await client.runs.get(thread_id, parts[0].data["run_id"])
    assert (run["status"], run["error"]) == ("error", parts[-1].data)


async def test_a_failed_run_is_over_when_its_error_is_told(client: LangGraphClient, thread_id: str) -> None:
    for _ in range(5):
        stream: Any = client.runs.stream(thread_id, "fails", input={"text": "x"}, stream_mode="updates")
        run_id = (await anext(stream)).data["run_id"]
        assert (await anext(stream)).event == "error"
        assert (await client.runs.get(thread_id, run_id))["status"] == "error"
        await stream.aclose()
