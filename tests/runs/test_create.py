from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistants.models import system_assistant_id
from tests.runs.api import create_thread, execute, human
from tests.runs.told import Folder

ANSWER_KEYS = {
    *("run_id", "thread_id", "assistant_id", "metadata", "status", "kwargs", "multitask_strategy"),
    *("created_at", "updated_at", "error", "usage"),
}


def post(client: httpx.Client, thread_id: object, **body: Any) -> httpx.Response:
    return client.post(f"/threads/{thread_id}/runs", json=body)


def test_it_answers_with_the_finished_run(client: httpx.Client, thread_id: str) -> None:
    response = post(client, thread_id, assistant_id="echo", input=human("hi"))
    run = response.json()
    assert response.status_code == 200
    assert run.keys() >= ANSWER_KEYS
    assert run["status"] == "success"
    assert run["thread_id"] == thread_id
    assert run["assistant_id"] == str(system_assistant_id("echo"))


def test_it_tells_where_the_run_is(client: httpx.Client, thread_id: str) -> None:
    response = post(client, thread_id, assistant_id="echo", input=human("hi"))
    path = f"/threads/{thread_id}/runs/{response.json()['run_id']}"
    assert response.headers["Location"] == response.headers["Content-Location"] == path
    assert client.get(response.headers["Location"]).json() == response.json()


def test_it_counts_the_tokens_that_the_models_report(client: httpx.Client, thread_id: str) -> None:
    response = post(client, thread_id, assistant_id="tokens", input=human("hi"))
    usage = response.json()["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert response.headers["X-Tokens-Used"] == str(usage["total_tokens"])


def test_a_graph_without_models_uses_no_tokens(client: httpx.Client, thread_id: str) -> None:
    response = post(client, thread_id, assistant_id="echo", input=human("hi"))
    assert response.headers["X-Tokens-Used"] == "0"
    assert response.json()["usage"] is None


def test_a_failing_graph_is_an_answer_and_not_a_server_error(client: httpx.Client, thread_id: str) -> None:
    response = post(client, thread_id, assistant_id="fails", input={"text": "x"})
    assert response.status_code == 200
    assert response.json()["status"] == "error"
    assert response.json()["error"] == {"error": "ValueError", "message": "boom: x"}
    assert response.headers["X-Tokens-Used"] == "0"


def test_a_failing_graph_leaves_its_error_on_the_thread(client: httpx.Client, thread_id: str) -> None:
    post(client, thread_id, assistant_id="fails", input={"text": "x"})
    thread = client.get(f"/threads/{thread_id}").json()
    assert thread["status"] == "error"
    assert thread["error"] == {"error": "ValueError", "message": "boom: x"}


def test_the_next_run_clears_the_threads_error(client: httpx.Client, thread_id: str) -> None:
    execute(client, thread_id, "fails", input={"text": "x"})
    execute(client, thread_id, "echo", input=human("hi"))
    thread = client.get(f"/threads/{thread_id}").json()
    assert (thread["status"], thread["error"]) == ("idle", None)


def test_a_run_that_stops_at_an_interrupt_is_a_success(client: httpx.Client, thread_id: str) -> None:
    run = execute(client, thread_id, "interrupting", input={"question": "sure?"})
    thread = client.get(f"/threads/{thread_id}").json()
    assert run["status"] == "success"
    assert thread["status"] == "interrupted"
    [[interrupt]] = thread["interrupts"].values()
    assert interrupt["value"] == {"question": "sure?"}


def test_resuming_clears_the_threads_interrupts(client: httpx.Client, thread_id: str) -> None:
    execute(client, thread_id, "interrupting", input={"question": "sure?"})
    execute(client, thread_id, "interrupting", command={"resume": "yes"})
    thread = client.get(f"/threads/{thread_id}").json()
    assert (thread["status"], thread["interrupts"]) == ("idle", {})
    assert thread["values"]["answers"] == ["yes", "done"]


def test_a_breakpoint_leaves_the_thread_interrupted(client: httpx.Client, thread_id: str) -> None:
    run = execute(client, thread_id, "echo", input=human("hi"), interrupt_before=["node"])
    thread = client.get(f"/threads/{thread_id}").json()
    assert (run["status"], thread["status"]) == ("success", "interrupted")
    assert [message["content"] for message in thread["values"]["messages"]] == ["hi"]


def test_a_run_without_input_goes_on_from_a_breakpoint(client: httpx.Client, thread_id: str) -> None:
    execute(client, thread_id, "echo", input=human("hi"), interrupt_before="*")
    execute(client, thread_id, "echo")
    thread = client.get(f"/threads/{thread_id}").json()
    assert thread["status"] == "idle"
    assert [message["content"] for message in thread["values"]["messages"]] == ["hi", "echo: hi"]


def test_the_thread_shows_the_runs_output(client: httpx.Client, thread_id: str) -> None:
    execute(client, thread_id, "echo", input=human("hi"))
    thread = client.get(f"/threads/{thread_id}").json()
    assert [message["content"] for message in thread["values"]["messages"]] == ["hi", "echo: hi"]


def test_the_thread_shows_only_what_the_output_schema_names(client: httpx.Client, thread_id: str) -> None:
    execute(client, thread_id, "hidden", input={"text": "x"})
    assert client.get(f"/threads/{thread_id}").json()["values"] == {"text": "x!"}


def test_the_thread_is_stamped_with_what_ran_on_it(client: httpx.Client) -> None:
    thread_id = create_thread(client, metadata={"title": "Mine"})
    execute(client, thread_id, "echo", input=human("hi"))
    assert client.get(f"/threads/{thread_id}").json()["metadata"] == {
        "title": "Mine",
        "graph_id": "echo",
        "assistant_id": str(system_assistant_id("echo")),
    }


def test_the_runs_metadata_has_the_threads_and_its_own(client: httpx.Client) -> None:
    thread_id = create_thread(client, metadata={"title": "Mine", "kind": "thread"})
    run = execute(client, thread_id, "echo", input=human("hi"), metadata={"kind": "run"})
    assert run["metadata"] == {
        "created_by": "system",
        "title": "Mine",
        "kind": "run",
        "graph_id": "echo",
        "assistant_id": str(system_assistant_id("echo")),
    }


def test_an_assistant_is_named_by_its_uuid_too(client: httpx.Client, thread_id: str) -> None:
    run = execute(client, thread_id, str(system_assistant_id("echo")), input=human("hi"))
    assert run["status"] == "success"


def test_runs_of_one_thread_wait_for_each_other_and_no_longer(client: httpx.Client, thread_id: str) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(4) as clients:
        runs = [clients.submit(execute, client, thread_id, "echo", input=human(str(i))) for i in range(4)]
    assert time.monotonic() - started < 2
    values = client.get(f"/threads/{thread_id}").json()["values"]
    contents = [message["content"] for message in values["messages"]]
    assert {run.result()["status"] for run in runs} == {"success"}
    assert contents[1::2] == [f"echo: {content}" for content in contents[::2]]


def test_unknown_keys_are_ignored(client: httpx.Client, thread_id: str) -> None:
    response = post(client, thread_id, assistant_id="echo", input=human("hi"), assistantId="x", surprise=1)
    assert response.status_code == 200


def test_an_unknown_thread_is_not_found(client: httpx.Client) -> None:
    missing = uuid.uuid4()
    response = post(client, missing, assistant_id="echo", input=human("hi"))
    assert response.status_code == 404
    assert response.json()["detail"] == f"Thread with ID {missing} not found"


def test_a_missing_thread_is_created_on_request(client: httpx.Client) -> None:
    missing = str(uuid.uuid4())
    response = post(client, missing, assistant_id="echo", input=human("hi"), if_not_exists="create")
    assert response.json()["thread_id"] == missing
    assert client.get(f"/threads/{missing}").status_code == 200


@pytest.mark.parametrize("if_not_exists", ["reject", "create"])
def test_a_foreign_thread_does_not_exist(
    client: httpx.Client, foreign_thread_id: str, if_not_exists: str
) -> None:
    body = {"assistant_id": "echo", "input": human("hi"), "if_not_exists": if_not_exists}
    response = post(client, foreign_thread_id, **body)
    assert response.status_code == 404
    assert response.json()["detail"] == f"Thread with ID {foreign_thread_id} not found"


def test_an_unknown_assistant_uuid_is_not_found(client: httpx.Client, thread_id: str) -> None:
    missing = uuid.uuid4()
    response = post(client, thread_id, assistant_id=str(missing), input=human("hi"))
    assert response.status_code == 404
    assert str(missing) in response.json()["detail"]


def test_an_unknown_graph_name_is_unprocessable(client: httpx.Client, thread_id: str) -> None:
    response = post(client, thread_id, assistant_id="nobody", input=human("hi"))
    assert response.status_code == 422
    assert response.json()["detail"].startswith("Invalid assistant: 'nobody'")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("assistant_id", None),
        ("config", "no object"),
        ("config", {"recursion_limit": 0}),
        ("config", {"configurable": []}),
        ("context", []),
        ("metadata", "no object"),
        ("stream_mode", "everything"),
        ("stream_mode", ["values", 1]),
        ("stream_mode", [["values"]]),
        ("stream_mode", {"values": True}),
        ("stream_subgraphs", "perhaps"),
        ("multitask_strategy", "panic"),
        ("if_not_exists", "perhaps"),
        ("durability", "for ever"),
        ("interrupt_before", "node"),
        ("interrupt_after", [1]),
        ("command", "resume"),
        ("feedback_keys", "thumbs"),
        ("on_completion", "explode"),
        ("on_completion", "delete"),
        ("langsmith_tracer", "a project"),
        ("langsmith_tracer", {"project_name": "elsewhere"}),
    ],
)
def test_a_wrong_value_is_unprocessable_and_named(
    client: httpx.Client, thread_id: str, field: str, value: Any
) -> None:
    response = post(client, thread_id, **{"assistant_id": "echo", "input": human("hi"), field: value})
    assert response.status_code == 422
    assert response.json()["detail"].startswith(field)
    assert field in response.json()["errors"]


def test_feedback_keys_are_kept_and_the_thread_too(client: httpx.Client, thread_id: str) -> None:
    options = {"feedback_keys": ["thumbs"], "on_completion": "keep"}
    run = execute(client, thread_id, "echo", input=human("hi"), **options)
    assert run["kwargs"]["feedback_keys"] == ["thumbs"]
    assert client.get(f"/threads/{thread_id}").status_code == 200


@pytest.mark.parametrize(
    "message", [{"role": "stranger", "content": "hi"}, {"type": "tool", "content": "hi"}, {"role": "user"}]
)
def test_a_message_that_is_none_is_unprocessable(
    client: httpx.Client, thread_id: str, message: dict[str, str]
) -> None:
    response = post(client, thread_id, assistant_id="echo", input={"messages": [message]})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("input")


def test_a_missing_assistant_is_unprocessable(client: httpx.Client, thread_id: str) -> None:
    response = post(client, thread_id, input=human("hi"))
    assert response.status_code == 422
    assert "assistant_id" in response.json()["detail"]


def test_a_thread_id_that_is_no_uuid_is_unprocessable(client: httpx.Client) -> None:
    response = post(client, "mine", assistant_id="echo", input=human("hi"))
    assert response.status_code == 422
    assert response.json()["detail"] == "Invalid thread ID: must be a UUID"


@pytest.mark.parametrize("strategy", ["reject", "interrupt", "rollback"])
def test_a_busy_thread_refuses_a_run_that_would_not_wait(
    client: httpx.Client, thread_id: str, strategy: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as clients, Folder(tmp_path) as folder:
        running = clients.submit(execute, client, thread_id, "two_steps", input=folder.input)
        folder.wait_for_line("second")
        body = {"assistant_id": "echo", "input": human("hi"), "multitask_strategy": strategy}
        response = post(client, thread_id, **body)
        folder.open("gate")
    assert response.status_code == 409
    assert response.json()["detail"].startswith("Thread is already running a task.")
    assert running.result()["status"] == "success"


@pytest.mark.parametrize("strategy", ["enqueue", "reject", "interrupt", "rollback"])
def test_an_idle_thread_takes_a_run_of_every_strategy(
    client: httpx.Client, thread_id: str, strategy: str
) -> None:
    run = execute(client, thread_id, "echo", input=human("hi"), multitask_strategy=strategy)
    assert (run["status"], run["multitask_strategy"]) == ("success", strategy)


def test_a_run_deleted_with_its_thread_is_not_found(
    client: httpx.Client, thread_id: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as clients, Folder(tmp_path) as folder:
        waiting = clients.submit(post, client, thread_id, assistant_id="two_steps", input=folder.input)
        folder.wait_for_line("second")
        assert client.delete(f"/threads/{thread_id}").status_code == 204
        assert waiting.result(timeout=10).status_code == 404
        folder.open("gate")
