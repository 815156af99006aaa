"""The /v1/graph API: its documentation's examples as they stand there, and its contract row by row."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema_rs
import pytest
from httpx_sse import connect_sse

from tests.contract.conftest import GRAPHS
from tests.live import serving

# What the documentation sends, letter by letter.
INVOKE = """{
"messages": [
{
"role": "user",
"content": "What is the capital of France?"
}
],
"config": {
"thread_id": "my-thread-1"
}
}"""
STOP = """{
"thread_id": "my-thread-1",
"config": {}
}"""

QUESTION = {"role": "user", "content": "What is the weather?"}
Chunk = dict[str, Any]

UUID = "f6f4b1de-6f0c-4a0e-9d0b-0c8c5bd3c1a7"


def post(client: httpx.Client, path: str, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, str) else json.dumps(body)
    return client.post(f"/v1/graph/{path}", content=content, headers=headers)


def ask(graph: str | None = None, *messages: Any, **body: Any) -> dict[str, Any]:
    """A call on a thread of its own."""
    named = {"assistant_id": graph} if graph else {}
    said = list(messages) or [QUESTION]
    return {"messages": said, "config": {"thread_id": f"thread {uuid.uuid4()}"}, **named, **body}


def stream(client: httpx.Client, body: Any) -> list[Chunk]:
    content = body if isinstance(body, str) else json.dumps(body)
    with connect_sse(client, "POST", "/v1/graph/stream", content=content) as source:
        return [event.json() for event in source.iter_sse()]


def of(chunks: list[Chunk], kind: str) -> list[Chunk]:
    return [chunk for chunk in chunks if chunk["type"] == kind]


def failure(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert body["success"] is False
    assert body["error"].keys() == {"code", "message", "details"}
    assert body["metadata"].keys() == {"request_id", "timestamp", "message"}
    assert all(detail.keys() == {"loc", "msg", "type"} for detail in body["error"]["details"])
    assert response.headers["x-request-id"] == body["metadata"]["request_id"]
    return response.status_code, body["error"]["code"]


# The documentation's examples


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_the_documented_invoke(client: httpx.Client, content_type: str) -> None:
    body = post(client, "invoke", INVOKE, **{"Content-Type": content_type}).json()
    asked, answered = body["data"]["messages"][-2:]
    assert body["success"] is True
    assert (asked["role"], asked["content"]) == ("user", "What is the capital of France?")
    assert (answered["role"], answered["content"]) == ("assistant", "Hello there friend.")


def test_the_documented_stream(client: httpx.Client) -> None:
    response = post(client, "stream", INVOKE)
    chunks = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    assert response.headers["Content-Type"].split(";")[0] == "text/event-stream"
    assert "".join(chunk["content"] for chunk in of(chunks, "message_chunk")) == "Hello there friend."
    assert [chunk["type"] for chunk in chunks] == [
        "message_start",
        "message_chunk",
        "message_chunk",
        "message_chunk",
        "message_end",
        "done",
    ]


def test_the_documented_stop(client: httpx.Client) -> None:
    body = ask("slow", initial_state={"text": "x"}, config={"thread_id": "my-thread-1"})
    with connect_sse(client, "POST", "/v1/graph/stream", json=body) as source:
        response = post(client, "stop", STOP)
        last = [event.json() for event in source.iter_sse()][-1]
    assert response.json()["success"] is True
    assert response.json()["data"] == {"status": "stopped", "thread_id": "my-thread-1"}
    assert (last["type"], last["status"]) == ("done", "stopped")


def test_the_documented_graph(client: httpx.Client) -> None:
    data = client.get("/v1/graph").json()["data"]
    assert (data["nodes"], data["entry_point"], data["edges"]) == (
        ["model", "tools"],
        "model",
        [["tools", "model"]],
    )


def test_the_documented_state_schema(client: httpx.Client) -> None:
    data = client.get("/v1/graph:StateSchema").json()["data"]
    assert data["type"] == "object"
    assert data["properties"]["messages"]["type"] == "array"


def test_the_documented_authentication(fresh_database: Callable[[], str]) -> None:
    graphs = GRAPHS / "langgraph.json"
    with (
        serving(fresh_database(), langgraph_json=graphs, SKEINO_ALLOW_ANONYMOUS="0") as url,
        httpx.Client(base_url=url) as client,
    ):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            refused = post(client, "invoke", INVOKE, **headers)
            assert failure(refused) == (401, "NOT_AUTHENTICATED")
            assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert client.get("/ping").json()["data"] == "pong"


# Envelopes


def test_success(client: httpx.Client) -> None:
    response = client.get("/v1/graph", headers={"x-request-id": "mine"})
    body = response.json()
    assert body.keys() == {"success", "data", "metadata"}
    assert body["metadata"].keys() == {"request_id", "timestamp", "message"}
    assert (body["metadata"]["request_id"], body["metadata"]["message"]) == ("mine", "OK")
    assert response.headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("no json", (422, "VALIDATION_ERROR")),
        (ask(messages="hi"), (422, "VALIDATION_ERROR")),
        ({"config": {"thread_id": "x"}}, (422, "VALIDATION_ERROR")),
        (ask(messages=[]), (422, "VALIDATION_ERROR")),
        ({"messages": [QUESTION]}, (422, "THREAD_ID_REQUIRED")),
        (ask(config={"thread_id": " "}), (422, "THREAD_ID_REQUIRED")),
        (ask("nobody"), (404, "ASSISTANT_NOT_FOUND")),
    ],
)
@pytest.mark.parametrize("path", ["invoke", "stream"])
def test_refusals_come_before_anything_begins(
    client: httpx.Client, path: str, body: Any, expected: tuple[int, str]
) -> None:
    response = post(client, path, body, Accept="text/event-stream")
    assert failure(response) == expected
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/graph/nowhere", (404, "NOT_FOUND")),
        ("DELETE", "/v1/graph", (405, "METHOD_NOT_ALLOWED")),
        ("GET", "/v1/graph?assistant_id=nobody", (404, "ASSISTANT_NOT_FOUND")),
    ],
)
def test_refusals_of_paths(client: httpx.Client, method: str, path: str, expected: tuple[int, str]) -> None:
    assert failure(client.request(method, path)) == expected


def test_a_body_that_is_too_large(client: httpx.Client) -> None:
    assert failure(post(client, "invoke", "x" * 21_000_000)) == (413, "TOO_LARGE")


def test_a_graph_that_raises(client: httpx.Client) -> None:
    body = ask("fails", initial_state={"text": "x"})
    response = post(client, "invoke", body)
    run_id = response.headers["Content-Location"].rpartition("/")[2]
    assert failure(response) == (500, "GRAPH_ERROR")
    assert run_id in response.json()["error"]["message"]
    assert "boom" not in response.text
    last = stream(client, body)[-1]
    assert (last["type"], last["code"]) == ("error", "GRAPH_ERROR")


def test_the_recursion_limit(client: httpx.Client) -> None:
    response = post(client, "invoke", ask("slow", initial_state={"text": "x"}, recursion_limit=2))
    assert failure(response) == (500, "GRAPH_RECURSION")


def test_developers_are_told_what_the_graph_raised(fresh_database: Callable[[], str]) -> None:
    graphs = GRAPHS / "langgraph.json"
    with (
        serving(fresh_database(), langgraph_json=graphs, DEBUG="1") as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        response = post(client, "invoke", ask("fails", initial_state={"text": "x"}))
        run_id = response.headers["Content-Location"].rpartition("/")[2]
        assert response.json()["error"]["message"] == f"ValueError: boom: x (run {run_id})"
        assert failure(client.get("/v1/graph/nowhere")) == (404, "NOT_FOUND")


def test_a_busy_thread_waits_its_turn(client: httpx.Client) -> None:
    body = ask("slow", initial_state={"text": "x"})
    with connect_sse(client, "POST", "/v1/graph/stream", json=body) as source:
        second = post(client, "invoke", {**body, "initial_state": {"text": "y"}})
        chunks = [event.json() for event in source.iter_sse()]
    log = second.json()["data"]["state"]["log"]
    assert chunks[-1]["type"] == "done"
    assert log == [f"{text}:{number}" for text in "xy" for number in range(1, 7)]


# Requests


@pytest.mark.parametrize("role", ["user", "assistant", "system", "human", "ai"])
def test_roles(client: httpx.Client, role: str) -> None:
    shown = {"human": "user", "ai": "assistant"}.get(role, role)
    data = post(client, "invoke", ask(None, {"role": role, "content": "hi"})).json()["data"]
    assert data["messages"][0]["role"] == shown


def test_typed_blocks(client: httpx.Client) -> None:
    blocks = [{"type": "text", "text": "What is "}, {"type": "text", "text": "it?"}]
    data = post(client, "invoke", ask(None, {"role": "user", "content": blocks})).json()["data"]
    assert data["messages"][0]["content"] == "What is it?"


def test_what_a_client_of_typed_blocks_sends(client: httpx.Client) -> None:
    """With an id that is the same for every new message, keys of its own, and lines of JSON in answer."""
    block = {"type": "text", "text": "hi", "annotations": []}
    message = {"message_id": "0", "role": "user", "content": [block], "timestamp": 0, "delta": False}
    body = {**ask(None, message), "response_granularity": "full", "include_raw": False}
    for turn in (1, 2):
        response = post(client, "stream", body, Accept="application/x-ndjson")
        chunks = [json.loads(line) for line in response.text.splitlines()]
        assert response.headers["Content-Type"] == "application/x-ndjson"
        assert [chunks[0]["type"], chunks[-1]["type"]] == ["message_start", "done"]
        asked = post(client, "invoke", {**body, "messages": [message]}).json()["data"]["messages"]
        assert len(asked) == 4 * turn


@pytest.mark.parametrize(
    "name", ["my-thread-2", 42, "f6f4b1de-6f0c-4a0e-9d0b-0c8c5bd3c1a7", "x" * 255, "ü ☃/?#"]
)
@pytest.mark.parametrize("place", ["config", "configurable"])
def test_threads_are_named_by_any_string(client: httpx.Client, name: Any, place: str) -> None:
    config = {"thread_id": name} if place == "config" else {"configurable": {"thread_id": name}}
    response = post(client, "invoke", ask(config=config))
    path = response.headers["Content-Location"].partition("/runs/")[0]
    assert response.json()["data"]["thread_id"] == str(name)
    assert client.get(path).json()["status"] == "idle"
    assert (path == f"/threads/{name}") is _is_uuid(name)


def _is_uuid(name: Any) -> bool:
    return re.fullmatch(r"[0-9a-f-]{36}", str(name)) is not None


def test_the_rest_of_config_is_configurable(client: httpx.Client) -> None:
    body = ask("ui", config={"thread_id": "configured", "colour": "blue", "recursion_limit": 7})
    body["initial_state"] = {"seen": {}}
    seen = post(client, "invoke", body).json()["data"]["state"]["seen"]
    assert seen["configurable"]["colour"] == "blue"
    assert seen["recursion_limit"] == 7


# Answers


def test_invoke(client: httpx.Client) -> None:
    body = ask()
    data = post(client, "invoke", body).json()["data"]
    asked, called, answered, reported = data["messages"]
    assert data.keys() == {"messages", "state", "thread_id", "run_id", "status"}
    assert [message["role"] for message in data["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert asked["content"] == "What is the weather?"
    assert called["tool_calls"][0]["name"] == "get_weather"
    assert answered["tool_call_id"] == called["tool_calls"][0]["id"]
    assert all(isinstance(message["content"], str) for message in data["messages"])
    assert reported["message_id"]
    assert (data["state"], data["thread_id"], data["status"]) == (
        {},
        body["config"]["thread_id"],
        "completed",
    )


def test_interrupts(client: httpx.Client) -> None:
    body = ask("interrupting", initial_state={"text": "x"})
    data = post(client, "invoke", body).json()["data"]
    assert data["status"] == "interrupted"
    assert data["interrupts"][0]["value"] == {"question": "approve?", "text": "x"}
    resumed = post(
        client, "invoke", {"resume": "yes", "config": body["config"], "assistant_id": "interrupting"}
    )
    assert resumed.json()["data"]["state"] == {"text": "x", "answer": "yes", "done": True}
    *_, interrupt, done = stream(client, ask("interrupting", initial_state={"text": "x"}))
    assert (interrupt["type"], interrupt["interrupts"][0]["value"]["text"]) == ("interrupt", "x")
    assert (done["type"], done["status"]) == ("done", "interrupted")


@pytest.fixture(scope="module")
def chunks(live_more: str) -> list[Chunk]:
    """Of a model that streams, with a tool."""
    with httpx.Client(base_url=live_more, timeout=30) as client:
        return stream(client, ask())


ROWS = {
    "message_start": {"message_id", "role", "node"},
    "message_chunk": {"content", "message_id"},
    "message_end": {"message_id", "content"},
    "tool_call": {"tool_call_id", "name", "args", "message_id"},
    "tool_result": {"tool_call_id", "name", "content", "status"},
    "done": {"status", "usage"},
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_kind_of_chunk_has_its_fields(chunks: list[Chunk], kind: str) -> None:
    found = of(chunks, kind)
    assert found
    assert {frozenset(chunk) - {"usage"} for chunk in found} == {
        frozenset(ROWS[kind] | {"type", "run_id", "thread_id"}) - {"usage"}
    }


def test_every_kind_of_chunk_is_as_documented(client: httpx.Client, chunks: list[Chunk]) -> None:
    components = client.get("/openapi.json").json()["components"]
    schema = {"$ref": "#/components/schemas/StreamChunk", "components": components}
    validator = jsonschema_rs.validator_for(schema)
    others = [
        *stream(client, ask("interrupting", initial_state={"text": "x"})),
        *stream(client, ask("fails", initial_state={"text": "x"})),
    ]
    for chunk in [*chunks, *others]:
        validator.validate(chunk)
    assert {chunk["type"] for chunk in [*chunks, *others]} == {*ROWS, "interrupt", "error"}
    assert not validator.is_valid({**chunks[0], "type": "nothing"})


def test_chunks_come_in_order(chunks: list[Chunk]) -> None:
    kinds = [chunk["type"] for chunk in chunks]
    assert [kind for kind in kinds if kind != "message_chunk"] == [
        *["message_start", "tool_call", "message_end", "tool_result"],
        *["message_start", "message_end", "done"],
    ]
    assert of(chunks, "tool_call")[0]["args"] == {"city": "Paris"}
    assert of(chunks, "tool_result")[0]["content"] == "sunny in Paris"
    assert "".join(chunk["content"] for chunk in of(chunks, "message_chunk")) == "It is sunny in Paris."
    assert of(chunks, "message_end")[-1]["usage"]["total_tokens"] == 10
    assert chunks[-1]["status"] == "completed"


def test_a_closed_connection_does_not_end_the_run(client: httpx.Client) -> None:
    with connect_sse(
        client, "POST", "/v1/graph/stream", json=ask("slow", initial_state={"text": "x"})
    ) as source:
        path = source.response.headers["Content-Location"]
    assert client.get(f"{path}/join").json()["n"] == 6
    assert client.get(path).json()["status"] == "success"


# Stop


def test_a_stop_of_nothing(client: httpx.Client) -> None:
    body = ask()
    name = body["config"]["thread_id"]
    assert failure(post(client, "stop", {"thread_id": name, "config": {}})) == (404, "THREAD_NOT_FOUND")
    post(client, "invoke", body)
    response = post(client, "stop", {"thread_id": name, "config": {}})
    assert response.json()["data"] == {"status": "idle", "thread_id": name}


def test_a_stop_keeps_what_was_done(client: httpx.Client) -> None:
    body = ask("slow", initial_state={"text": "x"})
    with connect_sse(client, "POST", "/v1/graph/stream", json=body) as source:
        post(client, "stop", {"thread_id": body["config"]["thread_id"]})
        last = [event.json() for event in source.iter_sse()][-1]
        run = client.get(source.response.headers["Content-Location"]).json()
    again = post(client, "invoke", {**body, "initial_state": {"text": "y"}}).json()["data"]
    kept = [line for line in again["state"]["log"] if line.startswith("x")]
    assert (last["status"], run["status"], again["status"]) == ("stopped", "interrupted", "completed")
    assert len(kept) < 6
    assert again["state"]["log"][len(kept) :] == [f"y:{number}" for number in range(1, 7)]


# What the graph is


def test_the_outline(client: httpx.Client) -> None:
    data = client.get("/v1/graph").json()["data"]
    keys = {"nodes", "entry_point", "edges", "conditional_edges", "graph_id", "state_schema"}
    assert data.keys() == keys
    assert {tuple(edge) for edge in data["conditional_edges"]} == {
        ("model", "__end__", None),
        ("model", "tools", None),
    }
    assert (data["graph_id"], data["state_schema"]) == ("agent", {"messages": "array"})
    assert client.get("/v1/graph?assistant_id=parint").json()["data"]["entry_point"] == ["pa", "pb"]


@pytest.mark.parametrize("colon", [":", "%3A", "%3a"])
def test_the_state_schema(client: httpx.Client, colon: str) -> None:
    body = client.get(f"/v1/graph{colon}StateSchema?assistant_id=slow").json()
    assert body["data"]["properties"].keys() == {"text", "n", "log"}
    assert body["data"]["properties"]["n"]["type"] == "integer"


def test_ping(client: httpx.Client) -> None:
    body = client.get("/ping").json()
    assert (body["success"], body["data"]) == (True, "pong")
