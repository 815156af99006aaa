"""What the tests of endpoints say to a live server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from httpx_sse import ServerSentEvent, connect_sse


def create_thread(client: httpx.Client, **body: Any) -> str:
    return str(client.post("/threads", json=body).raise_for_status().json()["thread_id"])


def execute(client: httpx.Client, thread_id: str, assistant_id: str, **body: Any) -> dict[str, Any]:
    """Create a run and wait for its end."""
    response = client.post(f"/threads/{thread_id}/runs", json={"assistant_id": assistant_id, **body})
    return dict(response.raise_for_status().json())


def start(client: httpx.Client, thread_id: str, assistant_id: str, **body: Any) -> dict[str, Any]:
    """Create a run and do not wait for it."""
    response = client.post(
        f"/threads/{thread_id}/runs",
        json={"assistant_id": assistant_id, **body},
        headers={"Prefer": "respond-async"},
    )
    return dict(response.raise_for_status().json())


def path_of(run: dict[str, Any]) -> str:
    return f"/threads/{run['thread_id']}/runs/{run['run_id']}"


def status_in_the_end(client: httpx.Client, path: str) -> str:
    """Wait for the run's end."""
    client.get(f"{path}/join").raise_for_status()
    return str(client.get(path).raise_for_status().json()["status"])


def rejoin(client: httpx.Client, path: str, last_event_id: str | None = None) -> list[ServerSentEvent]:
    """All events that a rejoined stream sends, to its end. The path may have a query."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    with connect_sse(client, "GET", path, headers=headers) as source:
        return list(source.iter_sse())


@contextmanager
def at_once(seconds: float = 10.0) -> Iterator[None]:
    """The block must be over long before anything that happens by itself: busy machines are slow."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def stream(client: httpx.Client, thread_id: str, assistant_id: str, **body: Any) -> list[ServerSentEvent]:
    """All events of a new run."""
    path = f"/threads/{thread_id}/runs/stream"
    with connect_sse(client, "POST", path, json={"assistant_id": assistant_id, **body}) as source:
        return list(source.iter_sse())


def names(events: list[ServerSentEvent]) -> list[str]:
    return [event.event for event in events]


def told(events: list[ServerSentEvent]) -> list[tuple[str, str, str]]:
    """What can be compared."""
    return [(event.event, event.data, event.id) for event in events]


def payloads(events: list[ServerSentEvent], name: str) -> list[Any]:
    """The data of the events of that name."""
    return [event.json() for event in events if event.event == name]


def human(text: str) -> dict[str, Any]:
    """An input of one message."""
    return {"messages": [{"role": "user", "content": text}]}
