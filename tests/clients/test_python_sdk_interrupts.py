from __future__ import annotations

from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient

from tests.clients.streams import collect, names, payloads


@pytest.fixture
async def asked_id(client: LangGraphClient, thread_id: str) -> str:
    """A thread on which a question waits for its answer."""
    await collect(client.runs.stream(thread_id, "interrupting", input={"question": "sure?"}))
    return thread_id


async def last_values(client: LangGraphClient, thread_id: str, graph: str, **body: Any) -> Any:
    parts = await collect(client.runs.stream(thread_id, graph, **body))
    return payloads(parts, "values")[-1]


async def test_an_interrupt_is_in_the_values(client: LangGraphClient, thread_id: str) -> None:
    parts = await collect(client.runs.stream(thread_id, "interrupting", input={"question": "sure?"}))
    [interrupt] = payloads(parts, "values")[-1]["__interrupt__"]
    assert interrupt["value"] == {"question": "sure?"}
    thread = await client.threads.get(thread_id)
    assert thread["status"] == "interrupted"
    assert [one["id"] for task in thread["interrupts"].values() for one in task] == [interrupt["id"]]
    run = await client.runs.get(thread_id, parts[0].data["run_id"])
    assert run["status"] == "success"


async def test_an_interrupt_is_in_the_updates(client: LangGraphClient, thread_id: str) -> None:
    stream = client.runs.stream(thread_id, "interrupting", input={"question": "?"}, stream_mode="updates")
    [update] = payloads(await collect(stream), "updates")
    assert [interrupt["value"] for interrupt in update["__interrupt__"]] == [{"question": "?"}]


@pytest.mark.parametrize("answer", ["yes", False, {"decisions": [{"type": "approve"}]}, ["a", 1]])
async def test_a_command_answers(client: LangGraphClient, asked_id: str, answer: Any) -> None:
    values = await last_values(client, asked_id, "interrupting", command={"resume": answer})
    assert values == {"question": "sure?", "answers": [answer, "done"]}
    thread = await client.threads.get(asked_id)
    assert (thread["status"], thread["interrupts"]) == ("idle", {})


async def test_a_run_that_answers_may_be_created(client: LangGraphClient, asked_id: str) -> None:
    run = await client.runs.create(asked_id, "interrupting", command={"resume": "yes"})
    assert run["status"] == "success"
    thread: Any = await client.threads.get(asked_id)
    assert thread["values"]["answers"] == ["yes", "done"]


async def test_an_answer_to_nothing_changes_nothing(client: LangGraphClient, thread_id: str) -> None:
    await collect(client.runs.stream(thread_id, "slow", input={"text": "0"}))
    values = await last_values(client, thread_id, "slow", command={"resume": "yes"})
    assert values == {"text": "0", "log": ["0 steps"]}


async def test_parallel_interrupts_are_answered_one_by_one(client: LangGraphClient, thread_id: str) -> None:
    await collect(client.runs.stream(thread_id, "parallel_interrupts", input={"question": "?"}))
    for question, left in (("left", ["right"]), ("right", [])):
        waiting = (await client.threads.get_state(thread_id))["interrupts"]
        ids = {interrupt["value"]: interrupt["id"] for interrupt in waiting}
        command: Any = {"resume": {ids[question]: f"{question} answered"}}
        await collect(client.runs.stream(thread_id, "parallel_interrupts", command=command))
        state: Any = await client.threads.get_state(thread_id)
        assert [interrupt["value"] for interrupt in state["interrupts"]] == left
    assert state["values"]["answers"] == ["left answered", "right answered"]


async def test_one_answer_to_two_questions_is_a_failure(client: LangGraphClient, thread_id: str) -> None:
    await collect(client.runs.stream(thread_id, "parallel_interrupts", input={"question": "?"}))
    parts = await collect(client.runs.stream(thread_id, "parallel_interrupts", command={"resume": "yes"}))
    assert names(parts) == ["metadata", "error"]
    assert parts[-1].data["error"] == "RuntimeError"


async def test_a_command_updates_the_state_and_goes_elsewhere(
    client: LangGraphClient, thread_id: str
) -> None:
    await collect(client.runs.stream(thread_id, "sub", input={"text": "x"}))
    command: Any = {"update": {"text": "y"}, "goto": "after"}
    values = await last_values(client, thread_id, "sub", command=command)
    assert values == {"text": "y", "log": ["inner x", "after x", "after y"]}


async def test_a_command_sends_nodes_inputs_of_their_own(client: LangGraphClient, thread_id: str) -> None:
    await collect(client.runs.stream(thread_id, "sub", input={"text": "x"}))
    command: Any = {"goto": [{"node": "after", "input": {"text": text}} for text in ("a", "b")]}
    values = await last_values(client, thread_id, "sub", command=command)
    assert values["log"][2:] == ["after a", "after b"]


@pytest.mark.parametrize(
    ("breakpoint", "log", "following"),
    [
        ({"interrupt_before": ["after"]}, ["inner x"], ["after"]),
        ({"interrupt_after": ["after"]}, ["inner x", "after x"], []),
        ({"interrupt_before": "*"}, [], ["child"]),
        ({"interrupt_after": "*"}, ["inner x"], ["after"]),
    ],
)
async def test_a_run_stops_at_breakpoints(
    client: LangGraphClient, thread_id: str, breakpoint: Any, log: list[str], following: list[str]
) -> None:
    values = await last_values(client, thread_id, "sub", input={"text": "x"}, **breakpoint)
    assert values["log"] == log
    assert (await client.threads.get_state(thread_id))["next"] == following
    status = (await client.threads.get(thread_id))["status"]
    assert status == ("interrupted" if following else "idle")


async def test_a_run_without_input_goes_on_from_a_breakpoint(client: LangGraphClient, thread_id: str) -> None:
    await collect(client.runs.stream(thread_id, "sub", input={"text": "x"}, interrupt_before=["after"]))
    values = await last_values(client, thread_id, "sub", input=None)
    assert values == {"text": "x", "log": ["inner x", "after x"]}


@pytest.mark.parametrize("form", ["checkpoint", "checkpoint_id"])
async def test_a_run_replays_from_a_checkpoint(client: LangGraphClient, thread_id: str, form: str) -> None:
    await collect(client.runs.stream(thread_id, "sub", input={"text": "x"}))
    past = (await client.threads.get_history(thread_id))[1]
    place: Any = past["checkpoint"] if form == "checkpoint" else past["checkpoint"]["checkpoint_id"]
    stream = client.runs.stream(thread_id, "sub", input=None, stream_mode="updates", **{form: place})
    assert payloads(await collect(stream), "updates") == [{"after": {"log": ["after x"]}}]


async def test_a_run_with_input_forks_at_a_checkpoint(client: LangGraphClient, thread_id: str) -> None:
    await collect(client.runs.stream(thread_id, "sub", input={"text": "x"}))
    latest, *_ = await client.threads.get_history(thread_id)
    await collect(client.runs.stream(thread_id, "sub", input={"text": "y"}))
    checkpoint: Any = {"checkpoint_id": latest["checkpoint"]["checkpoint_id"], "checkpoint_ns": ""}
    values = await last_values(client, thread_id, "slow", input={"text": "0"}, checkpoint=checkpoint)
    assert values == {"text": "0", "log": ["inner x", "after x", "0 steps"]}
