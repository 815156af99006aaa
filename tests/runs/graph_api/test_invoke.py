from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.runs.graph_api.api import call, error, invoke, new_name, said
from tests.runs.graph_api.test_messages import CALL, IMAGE


def test_it_answers_with_the_conversation(client: httpx.Client) -> None:
    thread = new_name()
    data = invoke(client, "hi", thread)
    assert data.keys() == {"messages", "state", "thread_id", "run_id", "status"}
    assert said(data) == [("user", "hi"), ("assistant", "echo: hi")]
    assert (data["state"], data["thread_id"], data["status"]) == ({}, thread, "completed")
    assert str(uuid.UUID(data["run_id"])) == data["run_id"]


def test_the_conversation_goes_on(client: httpx.Client) -> None:
    thread = new_name()
    first = invoke(client, "hi", thread)
    second = invoke(client, "ho", thread)
    assert said(second) == [*said(first), ("user", "ho"), ("assistant", "echo: ho")]
    assert second["messages"][:2] == first["messages"]
    assert second["run_id"] != first["run_id"]


def test_the_answer_names_the_run(client: httpx.Client) -> None:
    response = client.post("/v1/graph/invoke", json=call("hi", new_name()))
    run = client.get(response.headers["Content-Location"]).json()
    assert (run["run_id"], run["status"]) == (response.json()["data"]["run_id"], "success")


def test_several_messages_are_appended_in_order(client: httpx.Client) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "human", "content": "What is it?"},
        {"role": "ai", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "seen", "tool_call_id": "call_1", "name": "look"},
        {"role": "user", "content": [{"type": "text", "text": "And "}, {"type": "text", "text": "now?"}]},
    ]
    data = invoke(client, None, new_name(), messages=messages)
    assert said(data)[:-1] == [
        ("system", "Be brief."),
        ("user", "What is it?"),
        ("assistant", ""),
        ("tool", "seen"),
        ("user", "And now?"),
    ]
    assert data["messages"][2]["tool_calls"] == [CALL]
    assert data["messages"][3]["tool_call_id"] == "call_1"


def test_blocks_that_are_no_text_are_passed_on(client: httpx.Client) -> None:
    blocks = [{"type": "text", "text": "See: "}, IMAGE]
    data = invoke(client, None, new_name(), messages=[{"role": "user", "content": blocks}])
    assert data["messages"][0]["content"] == blocks


@pytest.mark.parametrize("message_id", ["0", 0, None, ""])
def test_the_id_of_all_new_messages_replaces_none(client: httpx.Client, message_id: Any) -> None:
    thread = new_name()
    message = {"role": "user", "content": "hi", "message_id": message_id}
    for _ in range(2):
        data = invoke(client, None, thread, messages=[message])
    assert [content for _, content in said(data)] == ["hi", "echo: hi"] * 2


def test_an_id_of_its_own_replaces_a_message(client: httpx.Client) -> None:
    thread = new_name()
    for text in ("first", "second"):
        message = {"role": "user", "content": text, "message_id": "m1"}
        data = invoke(client, None, thread, messages=[message])
    assert data["messages"][0] == {"role": "user", "content": "second", "message_id": "m1"}


def test_tools_and_their_results_are_part_of_it(client: httpx.Client) -> None:
    data = invoke(client, "What is 6 * 7?", new_name(), "agent")
    asked, answered = data["messages"][1:3]
    assert [role for role, _ in said(data)] == ["user", "assistant", "tool", "assistant"]
    assert asked["tool_calls"][0]["args"] == {"expression": "6 * 7"}
    assert answered["tool_call_id"] == asked["tool_calls"][0]["id"]
    assert data["messages"][-1]["content"] == "6 * 7 = 42"


def test_what_the_output_schema_hides_is_not_shown(client: httpx.Client) -> None:
    response = client.post("/v1/graph/invoke", json=call("hi", new_name(), "chat_hidden"))
    assert said(response.json()["data"]) == [("user", "hi"), ("assistant", "nothing to see")]
    assert response.json()["data"]["state"] == {}
    assert "hunter2" not in response.text


def test_initial_state_goes_in_beside_the_messages(client: httpx.Client) -> None:
    data = invoke(client, "hi", new_name(), "slow", initial_state={"text": "1"})
    assert (data["messages"], data["state"]) == ([], {"text": "1", "log": ["1 steps"]})


@pytest.mark.parametrize(
    "body",
    [
        {"config": {"user_name": "Ann", "recursion_limit": 3}},
        {"config": {"configurable": {"user_name": "Ann"}}},
    ],
)
def test_the_rest_of_config_is_configurable(client: httpx.Client, body: dict[str, Any]) -> None:
    body["config"]["thread_id"] = thread = new_name()
    data = invoke(client, "hi", thread, "chat_configurable", **body)
    told = json.loads(data["messages"][-1]["content"])
    assert told["user_name"] == "Ann"
    assert "recursion_limit" not in told


def test_no_config_points_the_run_at_another_thread(client: httpx.Client) -> None:
    other = str(uuid.uuid4())
    config = {"thread_id": new_name(), "configurable": {"thread_id": other}, "checkpoint_id": other}
    response = client.post("/v1/graph/invoke", json=call("hi", None, "chat_configurable", config=config))
    told = json.loads(response.json()["data"]["messages"][-1]["content"])
    assert response.headers["Content-Location"].startswith(f"/threads/{told['thread_id']}/runs/")
    assert other not in str(told)


@pytest.mark.parametrize("place", ["config", "body"])
def test_the_graph_is_chosen_in_either_place(client: httpx.Client, place: str) -> None:
    config = {"thread_id": new_name()}
    body = {"messages": [{"role": "user", "content": "hi"}], "config": config}
    (config if place == "config" else body)["assistant_id"] = "agent"
    data = client.post("/v1/graph/invoke", json=body).json()["data"]
    assert said(data)[-1][1].startswith("You said")


@pytest.mark.parametrize("name", [None, "", "echo"])
def test_without_a_name_it_is_the_default_graph(client: httpx.Client, name: str | None) -> None:
    assert said(invoke(client, "hi", new_name(), assistant_id=name))[-1] == ("assistant", "echo: hi")


# Interrupts


def test_an_interrupted_run_shows_what_it_waits_for(client: httpx.Client) -> None:
    data = invoke(client, "hi", new_name(), "chat_asks")
    [interrupt] = data["interrupts"]
    assert data["status"] == "interrupted"
    assert interrupt["value"] == "Sure?"
    assert interrupt["id"]


@pytest.mark.parametrize("answer", [True, False, 0, "", "yes", ["a"], [], {"type": "edit"}])
def test_any_answer_resumes_it(client: httpx.Client, answer: Any) -> None:
    thread = new_name()
    invoke(client, "hi", thread, "chat_asks")
    data = invoke(client, None, thread, "chat_asks", resume=answer)
    assert (data["status"], "interrupts" in data) == ("completed", False)
    assert said(data)[1] == ("assistant", f"You answered {json.dumps(answer)}.")


def test_messages_may_come_with_the_answer(client: httpx.Client) -> None:
    thread = new_name()
    invoke(client, "hi", thread, "chat_asks")
    data = invoke(client, "one more thing", thread, "chat_asks", resume="yes")
    assert said(data)[:3] == [
        ("user", "hi"),
        ("user", "one more thing"),
        ("assistant", 'You answered "yes".'),
    ]


def test_new_messages_in_place_of_an_answer_begin_anew(client: httpx.Client) -> None:
    thread = new_name()
    invoke(client, "hi", thread, "chat_asks")
    data = invoke(client, "never mind", thread, "chat_asks")
    assert (data["status"], said(data)) == ("interrupted", [("user", "hi"), ("user", "never mind")])


def test_an_answer_to_nothing_does_nothing(client: httpx.Client) -> None:
    thread = new_name()
    before = invoke(client, "hi", thread)
    after = invoke(client, None, thread, resume="yes")
    assert (after["messages"], after["status"]) == (before["messages"], "completed")


# Failures


def test_a_failing_graph_is_a_failure(client: httpx.Client) -> None:
    response = client.post("/v1/graph/invoke", json=call("hi", new_name(), "chat_fails"))
    run_id = response.headers["Content-Location"].rpartition("/")[2]
    assert error(response) == (500, "GRAPH_ERROR")
    assert response.json()["error"]["message"] == f"The graph failed (run {run_id})."
    assert "hunter2" not in response.text


@pytest.mark.parametrize("place", ["config", "body"])
def test_a_graph_that_takes_too_many_steps_is_a_failure(client: httpx.Client, place: str) -> None:
    body = call("hi", new_name(), "chat_loops")
    (body["config"] if place == "config" else body)["recursion_limit"] = 3
    response = client.post("/v1/graph/invoke", json=body)
    assert error(response) == (500, "GRAPH_RECURSION")


def test_a_thread_is_usable_after_a_failure(client: httpx.Client) -> None:
    thread = new_name()
    client.post("/v1/graph/invoke", json=call("hi", thread, "chat_fails"))
    assert said(invoke(client, "ho", thread))[-1] == ("assistant", "echo: ho")


# Several at a time


def test_calls_on_one_thread_wait_for_each_other_and_see_their_own_ends(client: httpx.Client) -> None:
    thread = new_name()
    with ThreadPoolExecutor(4) as clients:
        calls = [clients.submit(invoke, client, str(number), thread) for number in range(4)]
    conversations = sorted((said(one.result()) for one in calls), key=len)
    assert [len(one) for one in conversations] == [2, 4, 6, 8]
    for conversation in conversations:
        assert conversation == conversations[-1][: len(conversation)]
        assert conversation[-1][1] == f"echo: {conversation[-2][1]}"


def test_a_request_that_is_repeated_with_its_key_makes_no_second_run(client: httpx.Client) -> None:
    body, headers = call("hi", new_name()), {"Idempotency-Key": new_name()}
    first, second = (client.post("/v1/graph/invoke", json=body, headers=headers).json() for _ in range(2))
    assert first["data"] == second["data"]
    other = client.post("/v1/graph/invoke", json=call("ho", new_name()), headers=headers)
    assert error(other) == (422, "IDEMPOTENCY_KEY_REUSED")
