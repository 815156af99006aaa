"""Sockets are opened by whom a request would come from."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from runs.models import Run
from runs.routing import websocket_urlpatterns
from tests.runs.test_consumers import closing, finished
from tests.sockets import PatientCommunicator
from threads.api_keys import ApiKey
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("engine")

NO_KEY = f"skeino_{'a' * 8}_{'b' * 40}"


@pytest.fixture(autouse=True)
def no_anonymous_access(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False


async def owned() -> tuple[Run, User]:
    """A finished run on a thread that has an owner."""
    run, owner = await finished("metadata"), await User.objects.acreate(username=uuid.uuid4().hex)
    await Thread.objects.filter(pk=run.thread_id).aupdate(owner=owner)
    return run, owner


async def key_of(user: User) -> str:
    _, text = await sync_to_async(ApiKey.objects.issue)(user, name="socket")
    return text


@asynccontextmanager
async def socket(run: Run, **headers: str) -> AsyncIterator[PatientCommunicator]:
    application = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    url = f"/ws/threads/{run.thread_id}/runs/{run.pk}/stream"
    communicator = PatientCommunicator(application, url, headers=encoded)
    connected, _ = await communicator.connect()
    assert connected
    yield communicator
    await communicator.disconnect()


@pytest.mark.parametrize("header", ["x_api_key", "authorization"])
async def test_a_key_opens_its_users_runs(header: str) -> None:
    run, owner = await owned()
    key = await key_of(owner)
    async with socket(run, **{header: f"Bearer {key}" if header == "authorization" else key}) as opened:
        assert (await opened.receive_json_from())["event"] == "metadata"


async def test_a_key_opens_no_other_users_runs() -> None:
    run, _ = await owned()
    stranger = await User.objects.acreate(username="stranger")
    async with socket(run, x_api_key=await key_of(stranger)) as opened:
        assert (await closing(opened))[0] == 4404


@pytest.mark.parametrize(
    ("key", "reason"),
    [(NO_KEY, "Invalid API key."), ("other", "Authentication credentials were not provided.")],
)
async def test_without_a_usable_key_it_closes_with_4401(key: str, reason: str) -> None:
    run, _ = await owned()
    async with socket(run, x_api_key=key) as opened:
        assert await closing(opened) == (4401, reason)


async def test_a_session_opens_its_users_runs() -> None:
    run, owner = await owned()
    client = Client()
    await sync_to_async(client.force_login)(owner)
    async with socket(run, cookie=f"sessionid={client.cookies['sessionid'].value}") as opened:
        assert (await opened.receive_json_from())["event"] == "metadata"


async def test_a_session_counts_only_where_the_project_says_so(settings: Settings) -> None:
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_AUTHENTICATION_CLASSES": ["skeino_site.authentication.ApiKeyAuthentication"],
    }
    run, owner = await owned()
    client = Client()
    await sync_to_async(client.force_login)(owner)
    async with socket(run, cookie=f"sessionid={client.cookies['sessionid'].value}") as opened:
        assert (await closing(opened))[0] == 4401


def test_a_wrong_key_opens_no_socket_of_a_real_server(client: httpx.Client, live: str) -> None:
    thread_id = client.post("/threads", json={}).json()["thread_id"]
    run = client.post(f"/threads/{thread_id}/runs", json={"assistant_id": "echo", "input": {}}).json()
    url = f"{live.replace('http', 'ws')}/ws/threads/{thread_id}/runs/{run['run_id']}/stream"
    with connect(url, additional_headers={"X-Api-Key": NO_KEY}) as opened, pytest.raises(ConnectionClosed):
        opened.recv(10)
    assert opened.close_code == 4401
