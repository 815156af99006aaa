"""The traps that servers of this API have fallen into, each with its number in the wire contract."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.contract.replaying import Replay
from tests.contract.transcripts import Frame, frames

UNKNOWN = "6a1f6f5e-58c1-4b8e-9a53-2f6b8f5a7d10"
ECHO_ID = "046b5dc7-2108-582c-9c6c-31d556d138f0"
WEATHER = {"messages": [{"role": "user", "content": "What is the weather?"}]}


@pytest.fixture
def thread(client: httpx.Client) -> str:
    """The path of a new thread."""
    return f"/threads/{post(client, '/threads')['thread_id']}"


def post(client: httpx.Client, path: str, **body: Any) -> Any:
    return client.post(path, json=body).raise_for_status().json()


def get(client: httpx.Client, path: str) -> Any:
    return client.get(path).raise_for_status().json()


def stream(client: httpx.Client, thread: str, assistant_id: str, **body: Any) -> list[Frame]:
    response = client.post(f"{thread}/runs/stream", json={"assistant_id": assistant_id, **body})
    return frames(response.raise_for_status().text.replace("\r\n", "\n"))[0]


def names(found: list[Frame]) -> list[str]:
    return [frame.event for frame in found]


def data(found: list[Frame], event: str) -> list[Any]:
    return [json.loads(frame.data) for frame in found if frame.event == event]


def test_trap_1_locations_are_relative_to_the_api_and_exposed_to_browsers(
    client: httpx.Client, thread: str
) -> None:
    body = {"assistant_id": "echo", "input": {"text": "x"}}
    response = client.post(f"{thread}/runs/stream", json=body, headers={"Origin": "http://localhost:3000"})
    run = get(client, f"{thread}/runs")[0]["run_id"]
    assert response.headers["content-location"] == f"{thread}/runs/{run}"
    assert response.headers["location"] == f"{thread}/runs/{run}/stream"
    exposed = response.headers["access-control-expose-headers"].lower()
    assert {"content-location", "location"} <= {name.strip() for name in exposed.split(",")}


@pytest.mark.parametrize(("graph", "status"), [("echo", "success"), ("fails", "error")])
def test_trap_2_a_runs_last_status_is_committed_before_its_stream_closes(
    client: httpx.Client, thread: str, graph: str, status: str
) -> None:
    for _ in range(5):
        stream(client, thread, graph, input={"text": "x"})
        assert get(client, f"{thread}/runs?limit=1")[0]["status"] == status


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        (["messages-tuple"], {"metadata", "messages"}),
        (["messages"], {"metadata", "messages/metadata", "messages/partial", "messages/complete"}),
        (["messages", "messages-tuple"], {"metadata", "messages"}),
    ],
)
def test_trap_3_messages_come_in_one_form_and_both_asked_for_in_that_of_the_tuple(
    client: httpx.Client, thread: str, modes: list[str], expected: set[str]
) -> None:
    assert set(names(stream(client, thread, "agent", input=WEATHER, stream_mode=modes))) == expected


@pytest.mark.parametrize("mode", ["values", "updates", "custom", "tasks", "checkpoints", "debug"])
def test_trap_4_a_subgraphs_events_are_named_with_a_bar_for_a_single_mode_too(
    client: httpx.Client, thread: str, mode: str
) -> None:
    found = names(stream(client, thread, "sub", input={"text": "x"}, stream_mode=mode, stream_subgraphs=True))
    nested = {name.partition(":")[0] for name in found if "|" in name}
    assert nested == {f"{mode}|child"}


def test_trap_5_an_interrupt_is_in_values_and_updates_and_on_the_thread_and_its_run_is_a_success(
    client: httpx.Client, thread: str
) -> None:
    found = stream(client, thread, "interrupting", input={"text": "x"}, stream_mode=["values", "updates"])
    expected = {"question": "approve?", "text": "x"}
    assert data(found, "values")[-1]["__interrupt__"][0]["value"] == expected
    assert data(found, "updates")[-1]["__interrupt__"][0]["value"] == expected
    shown = get(client, thread)
    (interrupts,) = shown["interrupts"].values()
    assert (shown["status"], interrupts[0]["value"]) == ("interrupted", expected)
    assert get(client, f"{thread}/runs")[0]["status"] == "success"


def test_trap_6_a_checkpoint_is_taken_in_a_wrapper_and_a_state_edit_answers_with_one(
    client: httpx.Client, thread: str
) -> None:
    stream(client, thread, "echo", input={"text": "x"})
    first = get(client, f"{thread}/history?limit=9")[-1]
    wrapped = post(client, f"{thread}/state/checkpoint", checkpoint=first["checkpoint"])
    assert wrapped["checkpoint_id"] == first["checkpoint_id"]
    edited = post(client, f"{thread}/state", values={"text": "y"})
    assert edited["checkpoint"] == edited["configurable"] == get(client, f"{thread}/state")["checkpoint"]


def test_trap_7_before_is_an_id_or_a_checkpoint_or_a_config(client: httpx.Client, thread: str) -> None:
    stream(client, thread, "slow", input={"text": "x"})
    states = get(client, f"{thread}/history?limit=20")
    checkpoint = states[2]["checkpoint"]
    for before in (checkpoint["checkpoint_id"], checkpoint, {"configurable": checkpoint}):
        assert post(client, f"{thread}/history", before=before, limit=20) == states[3:]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?stream_mode=values&stream_mode=custom", {"values", "custom"}),
        ('?stream_mode=["updates"]', {"updates"}),
        ("?stream_mode=", {"metadata", "values", "updates", "custom"}),
        ("", {"metadata", "values", "updates", "custom"}),
    ],
)
def test_trap_8_the_modes_of_a_joined_stream_may_be_repeated_or_json_or_empty(
    client: httpx.Client, thread: str, query: str, expected: set[str]
) -> None:
    body = {"assistant_id": "slow", "input": {"text": "x"}, "stream_mode": ["values", "updates", "custom"]}
    run = post(client, f"{thread}/runs", **body, stream_resumable=True)
    response = client.get(f"{thread}/runs/{run['run_id']}/stream{query}", headers={"Last-Event-ID": "-1"})
    assert set(names(frames(response.text.replace("\r\n", "\n"))[0])) == expected


NONSENSE: list[tuple[str, str, Any]] = [
    ("POST", "/threads", {"supersteps": [{"updates": [{"values": 1, "as_node": "nope"}]}]}),
    ("POST", "/threads", {"metadata": {"graph_id": "nope"}, "supersteps": [{"updates": [{}]}]}),
    ("POST", "/threads/search", {"metadata": [], "values": "x"}),
    ("POST", "/threads/search", {"extract": {"x": "values..[["}}),
    ("GET", "{thread}/state/nope", None),
    ("GET", "{thread}/history?before=nope", None),
    ("POST", "{thread}/history", {"before": {"checkpoint_id": 5}}),
    ("POST", "{thread}/history", {"checkpoint": {"checkpoint_ns": "nope|nope", "checkpoint_id": "nope"}}),
    ("POST", "{thread}/state", {"values": {"text": "x"}, "as_node": "nope"}),
    ("POST", "{thread}/state", {"values": {"text": "x"}, "checkpoint_id": "nope"}),
    ("POST", "{thread}/state", {"values": [["text"]]}),
    ("POST", "{thread}/state/checkpoint", {"checkpoint": {"checkpoint_id": "nope"}}),
    ("POST", "{thread}/runs", {"assistant_id": "echo", "input": "text"}),
    ("POST", "{thread}/runs", {"assistant_id": "echo", "command": {"goto": "nope"}}),
    ("POST", "{thread}/runs", {"assistant_id": "echo", "command": {"update": [["nope", 1]]}}),
    ("POST", "{thread}/runs", {"assistant_id": "echo", "input": {}, "interrupt_before": ["nope"]}),
    ("POST", "{thread}/runs", {"assistant_id": "echo", "input": {}, "checkpoint_id": UNKNOWN}),
    ("POST", "{thread}/runs", {"assistant_id": "agent", "input": {"messages": [{"role": "nope"}]}}),
    ("POST", "{thread}/runs", {"assistant_id": "agent", "input": {"messages": 5}}),
    ("POST", "{thread}/runs", {"assistant_id": "echo", "input": {}, "config": {"recursion_limit": -1}}),
    ("POST", "{thread}/runs", {"assistant_id": "fails", "input": {"text": "x"}}),
    ("POST", "{thread}/runs/stream", {"assistant_id": "echo", "stream_mode": [5]}),
    ("POST", "{thread}/runs/wait", {"assistant_id": "fails", "input": {"text": "x"}}),
    ("POST", "/runs/wait", {"assistant_id": "echo", "command": {"resume": 1}}),
    ("POST", "/runs/batch", [{}]),
    ("POST", "/runs/batch", {}),
    ("POST", "/runs/cancel", {"thread_id": 5, "run_ids": [None]}),
    ("POST", f"{{thread}}/runs/{UNKNOWN}/cancel?wait=x&action=y", None),
    ("GET", f"{{thread}}/runs/{UNKNOWN}/join", None),
    ("GET", f"{{thread}}/runs/{UNKNOWN}/stream?stream_mode=[[", None),
    ("GET", "{thread}/stream?stream_modes=nope", None),
    ("GET", "{thread}/runs?limit=-1&offset=x", None),
    ("GET", f"/assistants/{UNKNOWN}/graph?xray=-1", None),
    ("GET", "/assistants/echo/subgraphs/nope?recurse=true", None),
    ("QUERY", "/threads", None),
]


@pytest.mark.parametrize(("method", "path", "body"), NONSENSE)
def test_trap_9_what_a_client_does_wrong_is_never_a_server_error(
    client: httpx.Client, thread: str, method: str, path: str, body: Any
) -> None:
    response = client.request(method, path.format(thread=thread), json=body)
    assert response.status_code < 500
    if response.is_error:
        assert isinstance(response.json()["detail"], str)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/ok", "/threads", "/nosuch"])
def test_trap_9_asking_for_the_options_of_a_path_is_never_a_server_error(
    client: httpx.Client, path: str
) -> None:
    assert client.options(path).status_code < 500


def test_trap_10_an_error_event_has_error_and_message_in_one_line(client: httpx.Client, thread: str) -> None:
    text = "two\nlines"
    body = {"assistant_id": "fails", "input": {"text": text}, "stream_mode": "updates"}
    response = client.post(f"{thread}/runs/stream", json=body)
    assert response.content.endswith(
        b'event: error\r\ndata: {"error":"ValueError","message":"boom: two\\nlines"}\r\n\r\n'
    )


@pytest.fixture
def busy(client: httpx.Client, thread: str) -> Iterator[str]:
    """The path of a thread on which a run is active."""
    body = {"assistant_id": "quiet", "input": {"text": "1"}}
    with client.stream("POST", f"{thread}/runs/stream", json=body) as response:
        yield thread
        response.read()


def test_trap_11_a_busy_thread_rejects_in_the_official_words(client: httpx.Client, busy: str) -> None:
    body = {"assistant_id": "echo", "input": {"text": "x"}, "multitask_strategy": "reject"}
    response = client.post(f"{busy}/runs", json=body)
    assert (response.status_code, response.json()) == (
        409,
        {
            "detail": "Thread is already running a task. Wait for it to finish or choose a different "
            "multitask strategy."
        },
    )


@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
def test_trap_11_interrupt_and_rollback_are_conflicts_here(
    client: httpx.Client, busy: str, strategy: str
) -> None:
    body = {"assistant_id": "echo", "input": {"text": "x"}, "multitask_strategy": strategy}
    assert client.post(f"{busy}/runs", json=body).status_code == 409


def test_trap_11_enqueued_runs_wait_for_their_turn(client: httpx.Client, busy: str) -> None:
    body = {"assistant_id": "echo", "input": {"text": "x"}}
    second = post(client, f"{busy}/runs", **body)
    first = get(client, f"{busy}/runs")[1]
    assert (first["status"], second["status"]) == ("success", "success")
    assert first["updated_at"] <= second["updated_at"]


def test_trap_12_an_empty_goto_and_an_empty_config_say_nothing(client: httpx.Client, thread: str) -> None:
    stream(client, thread, "interrupting", input={"text": "x"})
    command: dict[str, Any] = {"resume": "yes", "goto": [], "update": None}
    stream(client, thread, "interrupting", command=command, config={"configurable": {}})
    assert get(client, thread)["values"] == {"text": "x", "answer": "yes", "done": True}


def test_trap_12_what_langgraph_keeps_in_configurable_is_not_passed_on(
    client: httpx.Client, thread: str
) -> None:
    internals = {"__pregel_task_id": "5", "__pregel_resuming": True, "checkpoint_ns": "a:b", "thread_id": "x"}
    run = post(
        client,
        f"{thread}/runs",
        assistant_id="ui",
        input={},
        config={"configurable": {"own": 1, **internals}},
    )
    assert run["status"] == "success"
    seen = get(client, thread)["values"]["seen"]["configurable"]
    assert (seen["own"], f"/threads/{seen['thread_id']}") == (1, thread)
    assert seen["checkpoint_ns"].startswith("showcfg:")


def test_trap_13_a_run_begins_at_a_checkpoint_without_a_thread_id(client: httpx.Client, thread: str) -> None:
    stream(client, thread, "slow", input={"text": "x"})
    checkpoint = get(client, f"{thread}/history?limit=20")[3]["checkpoint"]
    del checkpoint["thread_id"]
    found = stream(client, thread, "slow", checkpoint=checkpoint, stream_mode="updates")
    assert [next(iter(update)) for update in data(found, "updates")] == ["s4", "s5", "s6"]


def test_trap_13_a_run_starts_later_and_its_thread_is_busy_meanwhile(
    client: httpx.Client, thread: str
) -> None:
    body = {"assistant_id": "echo", "input": {"text": "x"}, "after_seconds": 3}
    began = time.monotonic()
    with client.stream("POST", f"{thread}/runs/stream", json=body) as response:
        assert time.monotonic() - began < 2.9
        assert get(client, thread)["status"] == "busy"
        assert get(client, f"{thread}/runs")[0]["status"] == "pending"
        response.read()
    assert 3 <= time.monotonic() - began < 10


def test_trap_13_a_run_makes_its_thread_where_asked_to(client: httpx.Client) -> None:
    path, body = f"/threads/{uuid.uuid4()}", {"assistant_id": "echo", "input": {"text": "x"}}
    assert client.post(f"{path}/runs", json=body).status_code == 404
    assert post(client, f"{path}/runs", **body, if_not_exists="create")["status"] == "success"
    assert get(client, path)["values"] == {"text": "x", "out": "echo:x"}


def test_trap_14_a_run_goes_on_when_its_client_leaves(client: httpx.Client, thread: str) -> None:
    body = {"assistant_id": "quiet", "input": {"text": "0.3"}}
    with client.stream("POST", f"{thread}/runs/stream", json=body):
        pass
    stream(client, thread, "echo", input={"text": "after it"})
    assert [run["status"] for run in get(client, f"{thread}/runs")] == ["success", "success"]


def test_trap_14_a_run_ends_with_its_client_where_asked_to(client: httpx.Client, thread: str) -> None:
    body = {"assistant_id": "quiet", "input": {"text": "20"}, "on_disconnect": "cancel"}
    with client.stream("POST", f"{thread}/runs/stream", json=body) as response:
        next(response.iter_bytes())
    stream(client, thread, "echo", input={"text": "after it"})
    assert [run["status"] for run in get(client, f"{thread}/runs")] == ["success", "interrupted"]


def test_trap_14_who_only_looks_on_may_leave_or_end_the_run(client: httpx.Client, thread: str) -> None:
    for query, status in (("", "running"), ("?cancel_on_disconnect=true", "interrupted")):
        body = {"assistant_id": "quiet", "input": {"text": "20"}, "on_disconnect": "continue"}
        headers = {"Prefer": "respond-async"}
        run = client.post(f"{thread}/runs", json=body, headers=headers).raise_for_status().json()
        path = f"{thread}/runs/{run['run_id']}"
        with client.stream("GET", f"{path}/stream{query}", headers={"Last-Event-ID": "-1"}) as response:
            next(response.iter_bytes())
        if status == "interrupted":
            client.get(f"{path}/join").raise_for_status()
        assert get(client, path)["status"] == status
        client.post(f"{path}/cancel?wait=1")


def test_trap_15_metadata_is_merged_and_a_run_stamps_its_thread(client: httpx.Client, thread: str) -> None:
    for metadata in ({"a": 1}, {"b": 2}):
        client.patch(thread, json={"metadata": metadata}).raise_for_status()
    stream(client, thread, "echo", input={"text": "x"})
    assert get(client, thread)["metadata"] == {
        "a": 1,
        "b": 2,
        "graph_id": "echo",
        "assistant_id": ECHO_ID,
    }


@pytest.mark.parametrize(("wait", "status", "content"), [(0, 202, b""), (1, 200, b"{}")])
def test_trap_16_a_cancelled_run_is_answered_with_nothing_or_an_object(
    client: httpx.Client, thread: str, wait: int, status: int, content: bytes
) -> None:
    body = {"assistant_id": "quiet", "input": {"text": "20"}}
    run = client.post(f"{thread}/runs", json=body, headers={"Prefer": "respond-async"}).json()
    path = f"{thread}/runs/{run['run_id']}"
    response = client.post(f"{path}/cancel?wait={wait}&action=interrupt")
    assert (response.status_code, response.content) == (status, content)
    client.get(f"{path}/join").raise_for_status()
    assert get(client, path)["status"] == "interrupted"
    assert client.post(f"{path}/cancel").status_code == 404


@pytest.mark.parametrize("beginning", ["-1", "0", "0-0", "-"])
def test_trap_17_a_run_that_has_ended_is_replayed_whole(
    client: httpx.Client, thread: str, beginning: str
) -> None:
    body = {"assistant_id": "echo", "input": {"text": "x"}, "stream_resumable": True}
    run = post(client, f"{thread}/runs", **body)
    path, headers = f"{thread}/runs/{run['run_id']}/stream", {"Last-Event-ID": beginning}
    found = frames(client.get(path, headers=headers).text.replace("\r\n", "\n"))[0]
    assert [(frame.event, frame.id) for frame in found] == [
        ("metadata", "1"),
        ("values", "2"),
        ("values", "3"),
    ]


def test_trap_17_event_ids_are_unique_and_grow(client: httpx.Client, thread: str) -> None:
    body = {"assistant_id": "agent", "input": WEATHER, "stream_mode": ["values", "messages-tuple"]}
    response = client.post(f"{thread}/runs/stream", json={**body, "stream_resumable": True})
    ids = [int(line[4:]) for line in response.text.splitlines() if line.startswith("id: ")]
    assert len(ids) > 10
    assert ids == sorted(set(ids))


def test_trap_18_a_silent_stream_has_heartbeats(replay: Callable[[str], Replay]) -> None:
    found = replay("13_heartbeat_delay_webhook").findings[2]
    assert "heartbeats" not in [finding.what for finding in found]


def test_trap_18_a_silent_answer_has_line_breaks(replay: Callable[[str], Replay]) -> None:
    found = replay("13_heartbeat_delay_webhook").findings[4]
    assert "heartbeats" not in [finding.what for finding in found]


@pytest.mark.parametrize("path", ["", "/graph", "/schemas", "/subgraphs"])
def test_trap_19_an_assistant_is_found_by_uuid_and_here_by_name(client: httpx.Client, path: str) -> None:
    assert get(client, f"/assistants/echo{path}") == get(client, f"/assistants/{ECHO_ID}{path}")


def test_trap_19_a_run_has_its_assistants_uuid(client: httpx.Client, thread: str) -> None:
    run = post(client, f"{thread}/runs", assistant_id="echo", input={"text": "x"})
    assert run["assistant_id"] == ECHO_ID


def test_trap_20_a_graph_that_fails_is_no_failure_of_the_request(client: httpx.Client, thread: str) -> None:
    response = client.post(f"{thread}/runs", json={"assistant_id": "fails", "input": {"text": "x"}})
    error = {"error": "ValueError", "message": "boom: x"}
    assert (response.status_code, response.json()["status"]) == (200, "error")
    assert response.json()["error"] == error


def test_trap_20_who_waits_is_told_of_the_error(client: httpx.Client, thread: str) -> None:
    for path in (f"{thread}/runs/wait", "/runs/wait"):
        response = client.post(path, json={"assistant_id": "fails", "input": {"text": "x"}})
        error = {"error": "ValueError", "message": "boom: x"}
        assert (response.status_code, response.json()) == (200, {"__error__": error})


def test_trap_21_a_copy_needs_no_body_and_an_unknown_thread_is_not_found(
    client: httpx.Client, thread: str
) -> None:
    assert client.post(f"{thread}/copy").status_code == 200
    assert client.post(f"/threads/{UNKNOWN}/copy").status_code == 404


def test_trap_22_metadata_that_is_the_servers_is_dropped(client: httpx.Client) -> None:
    reserved = {"thread_id": "x", "run_id": "x", "cron_id": "x"}
    thread = post(client, "/threads", metadata={"kept": 1, **reserved})
    assert thread["metadata"] == {"kept": 1}
    patched = client.patch(f"/threads/{thread['thread_id']}", json={"metadata": reserved}).json()
    assert patched["metadata"] == {"kept": 1}


@pytest.mark.parametrize("values", [["text"], [["text"]], [1], "text", 5])
def test_trap_22_values_of_a_state_edit_that_are_no_values_are_refused(
    client: httpx.Client, thread: str, values: Any
) -> None:
    stream(client, thread, "echo", input={"text": "x"})
    response = client.post(f"{thread}/state", json={"values": values})
    assert response.status_code in (400, 422)


def test_many_clients_at_once_get_their_own_answers(client: httpx.Client) -> None:
    def ask(number: int) -> Any:
        path = f"/threads/{post(client, '/threads')['thread_id']}"
        return data(stream(client, path, "echo", input={"text": str(number)}), "values")[-1]["out"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(16))) == [f"echo:{number}" for number in range(16)]
