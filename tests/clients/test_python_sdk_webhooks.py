from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import UnprocessableEntityError

from tests.clients.streams import collect
from tests.clients.webhooks import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


async def test_a_webhook_hears_of_the_end_of_a_run(
    client: LangGraphClient, thread_id: str, receiver: Receiver
) -> None:
    run: Any = await client.runs.create(thread_id, "slow", input={"text": "0"}, webhook=receiver.url)
    call = await sync_to_async(receiver.wait, thread_sensitive=False)()
    told = call.json()
    assert call.path == "/ended"
    assert call.headers["content-type"] == "application/json"
    assert {**told, **run} == told  # all of the run, and more
    assert (told["status"], told["values"], told["error"]) == (
        "success",
        {"text": "0", "log": ["0 steps"]},
        None,
    )
    times = [datetime.fromisoformat(told[f"{name}_at"]) for name in ("run_started", "run_ended", "webhook_sent")]
    assert times == sorted(times)


async def test_a_webhook_hears_of_a_failure(
    client: LangGraphClient, thread_id: str, receiver: Receiver
) -> None:
    await collect(client.runs.stream(thread_id, "fails", input={"text": "x"}, webhook=receiver.url))
    told = (await sync_to_async(receiver.wait, thread_sensitive=False)()).json()
    assert (told["status"], told["error"]) == ("error", {"error": "ValueError", "message": "boom: x"})


async def test_a_webhook_is_signed(client: LangGraphClient, thread_id: str, receiver: Receiver) -> None:
    await collect(client.runs.stream(thread_id, "slow", input={"text": "0"}, webhook=receiver.url))
    call = await sync_to_async(receiver.wait, thread_sensitive=False)()
    assert call.is_signed


@pytest.mark.parametrize("url", ["/runs", "ftp://example.com/"])
async def test_a_webhook_is_an_absolute_http_url(client: LangGraphClient, thread_id: str, url: str) -> None:
    with pytest.raises(UnprocessableEntityError, match="webhook: The webhook must be an absolute http"):
        await client.runs.create(thread_id, "slow", input={"text": "0"}, webhook=url)
