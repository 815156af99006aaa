"""What the tests of /v1/graph say to a live server."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
from httpx_sse import connect_sse

Chunk = dict[str, Any]


def new_name() -> str:
    """Of a thread that nobody has named yet, and no UUID."""
    return f"thread {uuid.uuid4()}"


def call(text: str | None, thread_id: Any, graph: str = "echo", **body: Any) -> dict[str, Any]:
    """A body for invoke and stream."""
    said = [] if text is None else [{"role": "user", "content": text}]
    return {"messages": said, "config": {"thread_id": thread_id}, "assistant_id": graph, **body}


def invoke(client: httpx.Client, text: str | None, thread_id: Any, graph: str = "echo", **body: Any) -> Any:
    """The data of a successful answer."""
    response = client.post("/v1/graph/invoke", json=call(text, thread_id, graph, **body))
    assert response.status_code == 200, response.text
    return response.json()["data"]


def stream(
    client: httpx.Client, text: str | None, thread_id: Any, graph: str = "echo", **body: Any
) -> list[Chunk]:
    """All chunks, as an SSE client reads them."""
    with connect_sse(client, "POST", "/v1/graph/stream", json=call(text, thread_id, graph, **body)) as source:
        return [event.json() for event in source.iter_sse()]


def lines(
    client: httpx.Client, text: str | None, thread_id: Any, graph: str = "echo", **body: Any
) -> list[Chunk]:
    """All chunks, as a reader of lines reads them that knows nothing but JSON."""
    accept = {"Accept": "application/x-ndjson"}
    asked = call(text, thread_id, graph, **body)
    with client.stream("POST", "/v1/graph/stream", json=asked, headers=accept) as response:
        return [json.loads(line) for line in response.iter_lines()]


def stop(client: httpx.Client, thread_id: Any) -> httpx.Response:
    return client.post("/v1/graph/stop", json={"thread_id": thread_id, "config": {}})


def said(data: dict[str, Any]) -> list[tuple[str, Any]]:
    """Role and content of each message."""
    return [(message["role"], message["content"]) for message in data["messages"]]


def of(chunks: list[Chunk], kind: str) -> list[Chunk]:
    return [chunk for chunk in chunks if chunk["type"] == kind]


def error(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    body = response.json()
    assert body["success"] is False
    assert body.keys() == {"success", "error", "metadata"}
    assert body["error"].keys() == {"code", "message", "details"}
    return response.status_code, body["error"]["code"]
