"""What the tests of endpoints say to a live server."""

from __future__ import annotations

from typing import Any

import httpx
from httpx_sse import ServerSentEvent, connect_sse


def create_thread(client: httpx.Client, **body: Any) -> str:
    return str(client.post("/threads", json=body).raise_for_status().json()["thread_id"])


def execute(client: httpx.Client, thread_id: str, assistant_id: str, **body: Any) -> dict[str, Any]:
    """Create a run and wait for its end."""
    response = client.post(f"/threads/{thread_id}/runs", json={"assistant_id": assistant_id, **body})
    return dict(response.raise_for_status().json())


def stream(client: httpx.Client, thread_id: str, assistant_id: str, **body: Any) -> list[ServerSentEvent]:
    """All events of a new run."""
    path = f"/threads/{thread_id}/runs/stream"
    with connect_sse(client, "POST", path, json={"assistant_id": assistant_id, **body}) as source:
        return list(source.iter_sse())


def names(events: list[ServerSentEvent]) -> list[str]:
    return [event.event for event in events]


def payloads(events: list[ServerSentEvent], name: str) -> list[Any]:
    """The data of the events of that name."""
    return [event.json() for event in events if event.event == name]


def human(text: str) -> dict[str, Any]:
    """An input of one message."""
    return {"messages": [{"role": "user", "content": text}]}
