"""Server-sent events as bytes (wire contract 4.1)."""

from __future__ import annotations

HEARTBEAT = b": heartbeat\r\n\r\n"


def frame(event: str, data: str, event_id: int | str | None = None) -> bytes:
    """One event. ``data`` is JSON text, so it has no line breaks; an event's name is checked for them."""
    name = event.replace("\r", " ").replace("\n", " ")
    tail = "" if event_id is None else f"id: {event_id}\r\n"
    return f"event: {name}\r\ndata: {data}\r\n{tail}\r\n".encode()
