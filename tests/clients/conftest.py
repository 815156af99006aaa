from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.client import LangGraphClient, SyncLangGraphClient

from tests.clients import nodejs
from tests.clients.webhooks import SECRET
from tests.live import serving


@pytest.fixture(scope="session")
def server_url(fresh_database: Callable[[], str]) -> Iterator[str]:
    """A server with the test graphs, which calls webhooks on this machine. All clients share it."""
    with serving(fresh_database(), SKEINO_WEBHOOK_ALLOW_PRIVATE="1", SKEINO_WEBHOOK_SECRET=SECRET) as url:
        yield url


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, with the packages of package-lock.json installed."""
    return nodejs.installed()


@pytest.fixture
async def client(server_url: str) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=server_url, timeout=30) as client:
        yield client


@pytest.fixture
def sync_client(server_url: str) -> Iterator[SyncLangGraphClient]:
    with get_sync_client(url=server_url, timeout=30) as client:
        yield client


@pytest.fixture
async def thread_id(client: LangGraphClient) -> str:
    return (await client.threads.create())["thread_id"]
