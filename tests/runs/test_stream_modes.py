from __future__ import annotations

from itertools import pairwise
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent

from runs.stream_modes import STREAM_MODES
from tests.runs.api import human, names, payloads, stream


def streamed(
    client: httpx.Client, thread_id: str, graph: str, modes: str | list[str], **body: Any
) -> list[ServerSentEvent]:
    """The events after the run's metadata."""
    first, *events = stream(client, thread_id, graph, stream_mode=modes, **body)
    assert first.event == "metadata"
    return events


def test_values_are_the_whole_state_after_each_step(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "slow", "values", input={"text": "1"})
    assert names(events) == ["values", "values"]
    assert payloads(events, "values") == [{"text": "1", "log": []}, {"text": "1", "log": ["1 steps"]}]


def test_updates_are_what_each_node_returned(client: httpx.Client, thread_id: str) -> None:
    [event] = streamed(client, thread_id, "slow", ["updates"], input={"text": "1"})
    assert (event.event, event.json()) == ("updates", {"node": {"log": ["1 steps"]}})


def test_custom_is_what_nodes_write(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "slow", ["custom"], input={"text": "2"})
    assert names(events) == ["custom", "custom"]
    assert payloads(events, "custom") == [{"step": 1}, {"step": 2}]


def test_messages_tuple_is_every_token_with_its_metadata(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "tokens", ["messages-tuple"], input=human("hi"))
    assert set(names(events)) == {"messages"}
    chunks, metadata = zip(*payloads(events, "messages"), strict=True)
    assert {chunk["type"] for chunk in chunks} == {"AIMessageChunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[-1]["chunk_position"] == "last"
    assert chunks[-1]["usage_metadata"]["total_tokens"] > 0
    assert {(one["langgraph_node"], one["thread_id"], one["graph_id"]) for one in metadata} == {
        ("node", thread_id, "tokens")
    }


def test_tokens_make_up_the_final_message(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "tokens", ["messages-tuple", "values"], input=human("hi"))
    final = payloads(events, "values")[-1]["messages"][-1]
    tokens = [chunk for chunk, _ in payloads(events, "messages")]
    assert len(tokens) > 5
    assert "".join(chunk["content"] for chunk in tokens) == final["content"]
    assert {chunk["id"] for chunk in tokens} == {final["id"]}


def test_messages_grow_until_they_are_whole(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "tokens", ["messages", "values"], input=human("hi"))
    final = payloads(events, "values")[-1]["messages"][-1]
    partial = [message for [message] in payloads(events, "messages/partial")]
    contents = [message["content"] for message in partial]
    assert {(message["type"], message["id"]) for message in partial} == {("ai", final["id"])}
    assert all(after.startswith(before) for before, after in pairwise(contents))
    assert contents[-1] == final["content"]
    assert partial[-1]["usage_metadata"] == final["usage_metadata"]


def test_a_messages_metadata_is_sent_once_and_first(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "tokens", "messages", input=human("hi"))
    [metadata] = payloads(events, "messages/metadata")
    [message_id] = metadata
    assert events[0].event == "messages/metadata"
    assert {event.json()[0]["id"] for event in events[1:]} == {message_id}
    assert metadata[message_id]["metadata"]["langgraph_node"] == "node"


def test_a_message_that_was_not_streamed_is_complete(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "echo", "messages", input=human("hi"))
    [[message]] = payloads(events, "messages/complete")
    assert names(events) == ["messages/metadata", "messages/complete"]
    assert (message["type"], message["content"]) == ("ai", "echo: hi")


@pytest.mark.parametrize("modes", [["messages", "messages-tuple"], ["messages-tuple", "messages"]])
def test_of_both_forms_of_messages_the_tuples_are_sent(
    client: httpx.Client, thread_id: str, modes: list[str]
) -> None:
    assert set(names(streamed(client, thread_id, "tokens", modes, input=human("hi")))) == {"messages"}


def test_tasks_begin_and_end(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "slow", "tasks", input={"text": "1"})
    begin, end = payloads(events, "tasks")
    assert names(events) == ["tasks", "tasks"]
    assert begin.keys() >= {"id", "name", "input", "triggers"}
    assert (begin["name"], begin["input"]) == ("node", {"text": "1", "log": []})
    assert (end["id"], end["name"], end["error"], end["interrupts"]) == (begin["id"], "node", None, [])
    assert end["result"] == {"log": ["1 steps"]}


def test_a_failed_task_says_why(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "fails", "tasks", input={"text": "x"})
    assert "boom: x" in str(payloads(events, "tasks")[-1]["error"])
    assert events[-1].event == "error"


def test_checkpoints_are_the_states_that_are_kept(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "slow", "checkpoints", input={"text": "1"})
    found = payloads(events, "checkpoints")
    kept = client.get(f"/threads/{thread_id}/history").json()
    assert set(names(events)) == {"checkpoints"}
    assert [one["config"]["configurable"]["checkpoint_id"] for one in found] == [
        state["checkpoint_id"] for state in reversed(kept)
    ]
    assert [one["next"] for one in found] == [["__start__"], ["node"], []]
    assert found[-1]["values"] == {"text": "1", "log": ["1 steps"]}


def test_debug_is_checkpoints_and_tasks(client: httpx.Client, thread_id: str) -> None:
    found = payloads(streamed(client, thread_id, "slow", "debug", input={"text": "1"}), "debug")
    kinds = [event["type"] for event in found]
    assert kinds.count("checkpoint") == 3
    assert [kind for kind in kinds if kind != "checkpoint"] == ["task", "task_result"]
    assert all(event.keys() == {"step", "timestamp", "type", "payload"} for event in found)
    [last] = [event["payload"] for event in found if event["type"] == "checkpoint"][-1:]
    assert last["checkpoint"]["checkpoint_id"] == last["config"]["configurable"]["checkpoint_id"]


def test_events_are_what_runnables_report(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "tokens", "events", input=human("hi"))
    found = payloads(events, "events")
    kinds = [event["event"] for event in found]
    assert set(names(events)) == {"events"}
    assert (kinds[0], kinds[-1]) == ("on_chain_start", "on_chain_end")
    assert kinds.count("on_chat_model_stream") > 5
    assert all(event.keys() >= {"event", "name", "run_id", "data", "tags", "metadata"} for event in found)


def test_events_may_be_mixed_with_other_modes(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "slow", ["events", "values", "custom"], input={"text": "1"})
    assert set(names(events)) == {"events", "values", "custom"}
    assert payloads(events, "custom") == [{"step": 1}]
    assert payloads(events, "values")[-1] == {"text": "1", "log": ["1 steps"]}


@pytest.mark.parametrize("mode", STREAM_MODES)
def test_a_run_of_every_mode_leaves_its_output_on_the_thread(
    client: httpx.Client, thread_id: str, mode: str
) -> None:
    streamed(client, thread_id, "slow", mode, input={"text": "1"})
    thread = client.get(f"/threads/{thread_id}").json()
    assert (thread["status"], thread["values"]) == ("idle", {"text": "1", "log": ["1 steps"]})


@pytest.mark.parametrize("mode", STREAM_MODES)
def test_an_interrupt_in_every_mode_leaves_the_thread_interrupted(
    client: httpx.Client, thread_id: str, mode: str
) -> None:
    streamed(client, thread_id, "interrupting", mode, input={"question": "sure?"})
    thread = client.get(f"/threads/{thread_id}").json()
    assert thread["status"] == "interrupted"
    assert [one["value"] for [one] in thread["interrupts"].values()] == [{"question": "sure?"}]


def test_mixed_modes_come_in_the_order_of_what_happens(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "slow", ["custom", "updates", "values"], input={"text": "1"})
    assert names(events) == ["values", "custom", "updates", "values"]


def test_a_mode_that_is_named_twice_is_streamed_once(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "slow", ["updates", "updates"], input={"text": "1"})
    assert names(events) == ["updates"]


@pytest.mark.parametrize("mode", STREAM_MODES)
def test_what_the_output_schema_hides_is_not_streamed(
    client: httpx.Client, thread_id: str, mode: str
) -> None:
    events = streamed(client, thread_id, "hidden", mode, input={"text": "x"})
    assert [event.data for event in events if "hunter2" in event.data] == []
    assert mode in ("messages", "messages-tuple", "custom") or "x!" in "".join(one.data for one in events)


# --- subgraphs ---

NESTED = ["values", "updates", "tasks", "checkpoints", "debug"]


@pytest.mark.parametrize("mode", NESTED)
def test_subgraphs_are_left_out_by_default(client: httpx.Client, thread_id: str, mode: str) -> None:
    events = streamed(client, thread_id, "sub", mode, input={"text": "x"})
    assert set(names(events)) == {mode}


@pytest.mark.parametrize("mode", NESTED)
def test_subgraphs_events_are_named_by_mode_and_namespace(
    client: httpx.Client, thread_id: str, mode: str
) -> None:
    events = streamed(client, thread_id, "sub", mode, input={"text": "x"}, stream_subgraphs=True)
    [nested] = set(names(events)) - {mode}
    assert nested.startswith(f"{mode}|child:")


def test_a_subgraphs_events_come_before_its_nodes(client: httpx.Client, thread_id: str) -> None:
    events = streamed(client, thread_id, "sub", "updates", input={"text": "x"}, stream_subgraphs=True)
    assert [event.json() for event in events] == [
        {"inner": {"log": ["inner x"]}},
        {"child": {"text": "x", "log": ["inner x"]}},
        {"after": {"log": ["after x"]}},
    ]


def test_what_subgraphs_say_and_write_carries_their_namespace(client: httpx.Client, thread_id: str) -> None:
    modes = ["messages-tuple", "custom"]
    events = streamed(client, thread_id, "nested_talk", modes, input=human("hi"), stream_subgraphs=True)
    assert {name.split(":")[0] for name in names(events)} == {"messages|child", "custom|child"}


@pytest.mark.parametrize("mode", ["messages", "events"])
def test_messages_and_events_carry_no_namespace(client: httpx.Client, thread_id: str, mode: str) -> None:
    events = streamed(client, thread_id, "nested_talk", mode, input=human("hi"), stream_subgraphs=True)
    assert events
    assert [name for name in names(events) if "|" in name] == []
