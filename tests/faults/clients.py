"""Those who ask for runs while processes come and go."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient


def run_body(book: Path, **run_input: Any) -> dict[str, Any]:
    return {"assistant_id": "steps", "input": {"book": str(book), **run_input}}


async def submit(client: LangGraphClient, book: Path, **run_input: Any) -> str:
    """A run on a thread of its own, not waited for; the thread's id."""
    thread = await client.threads.create()
    headers = {"Prefer": "respond-async"}
    await client.runs.create(
        thread["thread_id"], headers=headers, durability="sync", **run_body(book, **run_input)
    )
    return str(thread["thread_id"])


async def submit_many(url: str, count: int, book: Path, *, at_a_time: int = 8, **run_input: Any) -> list[str]:
    async with get_client(url=url, timeout=60) as client:
        gate = asyncio.Semaphore(at_a_time)

        async def one() -> str:
            async with gate:
                return await submit(client, book, **run_input)

        return list(await asyncio.gather(*(one() for _ in range(count))))


async def stream(client: LangGraphClient, book: Path, **run_input: Any) -> list[tuple[str | None, str]]:
    """A resumable stream from its beginning to its end, across as many connections as it takes.

    The SDK rejoins a stream that ends early. A request that meets a server which is just closing its
    connections is sent again, and by its key makes no second run.
    """
    thread_id, key = str(uuid.uuid4()), str(uuid.uuid4())
    parts: list[tuple[str | None, str]] = []
    for _ in range(10):
        with suppress(httpx.TransportError):
            await client.threads.create(thread_id=thread_id, if_exists="do_nothing")
            stream = client.runs.stream(
                thread_id,
                stream_mode=["updates"],
                stream_resumable=True,
                durability="sync",
                headers={"Idempotency-Key": key},
                **run_body(book, **run_input),
            )
            parts = []  # the first connection begins with the first event, whatever came before
            async for part in stream:
                parts.append((part.id, part.event))
            return parts
    raise AssertionError(f"No end after ten attempts, but {parts}.")


async def read_slowly(url: str, book: Path, *, size: int, until: asyncio.Event) -> int:
    """Ask for a stream of large events and read nothing of it until told to; then how many bytes came."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        thread_id = (await client.post("/threads", json={})).json()["thread_id"]
        body = run_body(book, size=size) | {"stream_mode": ["custom"]}
        async with client.stream("POST", f"/threads/{thread_id}/runs/stream", json=body) as response:
            await until.wait()
            return len(await response.aread())
