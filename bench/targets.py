"""What is measured: something with threads and runs, be it a server or LangGraph itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from bench.client import Client, Events

COUNT = re.compile(rb'"count": ?(\d+)')
# Sent with every run, for servers differ in what they do without: who writes fewer checkpoints looks faster.
DURABILITY = "async"


class WrongAnswer(Exception):
    """An answer that is not what was asked for is an error, however fast it came."""


@dataclass(frozen=True)
class Work:
    """What a run is to do: see ``bench.graphs``. A stream of it has at least so many events."""

    task: str
    text: str = "hello"
    messages: tuple[dict[str, str], ...] = ()
    events: int = 1

    @property
    def input(self) -> dict[str, Any]:
        messages = list(self.messages) or [{"role": "user", "content": self.text}]
        return {"messages": messages, "task": self.task}


class Target(Protocol):
    """``token_mode`` is the stream mode in which every token is an event."""

    token_mode: str

    async def create_thread(self, metadata: dict[str, str] | None = None) -> str: ...

    async def run(self, thread_id: str, work: Work) -> None:
        """Return when the run has succeeded."""

    async def stream(self, thread_id: str, work: Work, mode: str) -> Events: ...

    async def read(self, thread_id: str) -> None:
        """What is read of a thread to show it."""

    async def history(self, thread_id: str, limit: int) -> int:
        """Returns how many states there were."""


class Server:
    """A server that speaks LangGraph's HTTP API. Raises WrongAnswer."""

    def __init__(self, base_url: str, token_mode: str) -> None:
        self.token_mode = token_mode
        self._client = Client(base_url)

    async def create_thread(self, metadata: dict[str, str] | None = None) -> str:
        body = await self._expect("POST", "/threads", {"metadata": metadata or {}})
        return str(orjson.loads(body)["thread_id"])

    async def run(self, thread_id: str, work: Work) -> None:
        body = await self._expect("POST", f"/threads/{thread_id}/runs/wait", _run(work))
        if not _is_right(work, body):
            raise WrongAnswer(f"{work.task}: {body[:200]!r}")

    async def stream(self, thread_id: str, work: Work, mode: str) -> Events:
        events = Events()
        body = _run(work) | {"stream_mode": [mode]}
        reply = await self._client.call("POST", f"/threads/{thread_id}/runs/stream", body, events)
        if reply.status != 200 or events.failed or len(events.data) < work.events:
            last = events.all[-1].block if events.all else reply.body
            found = f"{reply.status}, {len(events.data)} of {work.events} events"
            raise WrongAnswer(f"{work.task} streamed: {found}: {last[:200]!r}")
        return events

    async def read(self, thread_id: str) -> None:
        await self._expect("GET", f"/threads/{thread_id}")

    async def history(self, thread_id: str, limit: int) -> int:
        return len(orjson.loads(await self._expect("GET", f"/threads/{thread_id}/history?limit={limit}")))

    async def search(self, **conditions: Any) -> int:
        """Returns how many threads the page had."""
        return len(orjson.loads(await self._expect("POST", "/threads/search", {"limit": 10, **conditions})))

    def close(self) -> None:
        self._client.close()

    async def _expect(self, method: str, path: str, body: Any = None) -> bytes:
        reply = await self._client.call(method, path, body)
        if reply.status not in {200, 201}:
            raise WrongAnswer(f"{method} {path}: {reply.status} {reply.body[:200]!r}")
        return reply.body


def _run(work: Work) -> dict[str, Any]:
    return {"assistant_id": "mux", "input": work.input, "durability": DURABILITY}


def _is_right(work: Work, answer: bytes) -> bool:
    """The final state of a run that did its task."""
    if work.task == "echo":
        return b"echo: " in answer
    if work.task == "steps":
        found = COUNT.search(answer)
        return found is not None and int(found[1]) > 0 and int(found[1]) % 20 == 0
    return b'"messages"' in answer
