from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
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
    call = await receiver.call()
    told = call.json()
    assert call.path == "/ended"
    assert call.headers["content-type"] == "application/json"
    assert {**told, **run} == told  # all of the run, and more
    assert (told["status"], told["error"]) == ("success", None)
    assert told["values"] == {"text": "0", "log": ["0 steps"]}
    times = [
        datetime.fromisoformat(told[time]) for time in ("run_started_at", "run_ended_at", "webhook_sent_at")
    ]
    assert times == sorted(times)


async def test_a_webhook_hears_of_a_failure(
    client: LangGraphClient, thread_id: str, receiver: Receiver
) -> None:
    await collect(client.runs.stream(thread_id, "fails", input={"text": "x"}, webhook=receiver.url))
    told = (await receiver.call()).json()
    assert (told["status"], told["error"]) == ("error", {"error": "ValueError", "message": "boom: x"})


async def test_a_webhook_is_signed(client: LangGraphClient, thread_id: str, receiver: Receiver) -> None:
    await collect(client.runs.stream(thread_id, "slow", input={"text": "0"}, webhook=receiver.url))
    call = await receiver.call()
    assert call.is_signed


@pytest.mark.parametrize("url", ["/runs", "ftp://example.com/"])
async def test_a_webhook_is_an_absolute_http_url(client: LangGraphClient, thread_id: str, url: str) -> None:
    with pytest.raises(UnprocessableEntityError, match="webhook: The webhook must be an absolute http"):
        await client.runs.create(thread_id, "slow", input={"text": "0"}, webhook=url)
