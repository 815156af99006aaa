from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser, Permission, User
from pytest_django import Settings
from websockets.sync.client import connect
from websockets.typing import Origin

from runs.models import Run, RunEvent
from runs.routing import websocket_urlpatterns
from tests.runs.api import human, stream
from tests.runs.engine import IDLE, aclaimed, afinish, new_thread
from tests.runs.told import Folder
from tests.sockets import PatientCommunicator
from threads.models import Thread


@pytest.fixture(autouse=True)
def anonymous_allowed(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True


def path(run: Run, **parts: Any) -> str:
    thread_id, run_id = parts.get("thread_id", run.thread_id), parts.get("run_id", run.pk)
    return f"/ws/threads/{thread_id}/runs/{run_id}/stream{parts.get('query', '')}"


@asynccontextmanager
async def socket(url: str, user: Any = None) -> AsyncIterator[PatientCommunicator]:
    """An open socket to the application, as that user."""
    communicator = PatientCommunicator(URLRouter(websocket_urlpatterns), url)
    communicator.scope["user"] = user or AnonymousUser()
    connected, _ = await communicator.connect()
    assert connected
    yield communicator
    await communicator.disconnect()


async def closing(communicator: PatientCommunicator) -> tuple[int, str]:
    message = await communicator.receive_output()
    assert message["type"] == "websocket.close", message
    return message["code"], message.get("reason") or ""


async def finished(*events: str) -> Run:
    """A finished run with those events in its log."""
    run = await aclaimed()
    for seq, event in enumerate(events, start=1):
        await RunEvent.objects.acreate(run=run, seq=seq, event=event, data=f'{{"n":{seq}}}')
    await afinish(run, Run.Status.SUCCESS, IDLE, seq=len(events) + 1)
    return run


async def user(*permissions: str) -> User:
    made = await User.objects.acreate(username=uuid.uuid4().hex)
    await made.user_permissions.aset([p async for p in Permission.objects.filter(codename__in=permissions)])
    return await User.objects.aget(pk=made.pk)


pytestmark = pytest.mark.usefixtures("engine")


async def test_it_sends_the_runs_events_and_closes() -> None:
    run = await finished("metadata", 'values|a"b:c')
    async with socket(path(run)) as communicator:
        assert await communicator.receive_json_from() == {"event": "metadata", "data": {"n": 1}, "id": "1"}
        assert await communicator.receive_json_from() == {
            "event": 'values|a"b:c',
            "data": {"n": 2},
            "id": "2",
        }
        assert await closing(communicator) == (1000, "")


@pytest.mark.parametrize(("after", "expected"), [(0, ["1", "2", "3"]), (2, ["3"]), (3, [])])
async def test_it_begins_after_the_event_that_is_named(after: int, expected: list[str]) -> None:
    run = await finished("metadata", "values", "values")
    async with socket(path(run, query=f"?after={after}")) as communicator:
        assert [(await communicator.receive_json_from())["id"] for _ in expected] == expected
        assert await closing(communicator) == (1000, "")


async def test_it_sends_events_as_they_come() -> None:
    run = await aclaimed()
    async with socket(path(run)) as communicator:
        assert await communicator.receive_nothing()
        await afinish(run, Run.Status.SUCCESS, IDLE, seq=1)
        assert await closing(communicator) == (1000, "")


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "²", "9" * 20])
async def test_an_event_id_that_is_none_closes_with_4422(after: str) -> None:
    run = await finished("metadata")
    async with socket(path(run, query=f"?after={after}")) as communicator:
        code, reason = await closing(communicator)
    assert (code, reason) == (4422, "Invalid event ID: this stream sends none like it")


@pytest.mark.parametrize("part", ["thread_id", "run_id"])
async def test_an_id_that_is_no_uuid_closes_with_4422(part: str) -> None:
    run = await finished("metadata")
    async with socket(path(run, **{part: "mine"})) as communicator:
        code, reason = await closing(communicator)
    assert code == 4422
    assert reason.endswith("must be a UUID")


@pytest.mark.parametrize("part", ["thread_id", "run_id"])
async def test_what_is_unknown_closes_with_4404(part: str) -> None:
    run = await finished("metadata")
    async with socket(path(run, **{part: uuid.uuid4()})) as communicator:
        code, reason = await closing(communicator)
    assert code == 4404
    assert reason.endswith("not found")


async def test_a_run_of_another_thread_closes_with_4404() -> None:
    run = await finished("metadata")
    other = await sync_to_async(new_thread)()
    async with socket(path(run, thread_id=other.pk)) as communicator:
        assert (await closing(communicator))[0] == 4404


async def test_a_foreign_thread_closes_with_4404() -> None:
    run = await finished("metadata")
    await Thread.objects.filter(pk=run.thread_id).aupdate(owner=await user())
    for stranger in (None, await user()):
        async with socket(path(run), stranger) as communicator:
            assert (await closing(communicator))[0] == 4404


async def test_the_owner_and_who_may_view_all_threads_may_follow() -> None:
    run, owner = await finished("metadata"), await user()
    await Thread.objects.filter(pk=run.thread_id).aupdate(owner=owner)
    for allowed in (owner, await user("view_all_threads")):
        async with socket(path(run), allowed) as communicator:
            assert (await communicator.receive_json_from())["event"] == "metadata"


async def test_without_anonymous_access_it_closes_with_4401(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    run = await finished("metadata")
    async with socket(path(run)) as communicator:
        assert (await closing(communicator))[0] == 4401


async def test_a_client_that_leaves_is_followed_no_longer() -> None:
    run = await aclaimed()
    before = asyncio.all_tasks()
    async with socket(path(run)) as communicator:
        assert await communicator.receive_nothing()
    async with asyncio.timeout(5):
        while [task for task in asyncio.all_tasks() - before if "_send_events" in repr(task)]:
            await asyncio.sleep(0.01)


async def test_what_the_client_says_is_ignored() -> None:
    run = await finished("metadata")
    async with socket(path(run)) as communicator:
        await communicator.send_to(text_data="hello?")
        assert (await communicator.receive_json_from())["event"] == "metadata"


# --- over a real server ---


def test_a_socket_and_an_event_stream_tell_the_same(client: httpx.Client, live: str, thread_id: str) -> None:
    body = {"stream_mode": ["messages-tuple", "values"], "stream_resumable": True}
    events = stream(client, thread_id, "tokens", input=human("hi"), **body)
    url = f"{live.replace('http', 'ws')}/ws/threads/{thread_id}/runs/{events[0].json()['run_id']}/stream"
    with connect(url) as socket:
        messages = [json.loads(message) for message in socket]
    assert messages == [{"event": one.event, "data": one.json(), "id": one.id} for one in events]
    assert socket.close_code == 1000


def test_a_socket_follows_a_run_that_goes_on(
    client: httpx.Client, live: str, thread_id: str, tmp_path: Path
) -> None:
    body = {"assistant_id": "two_steps", "input": {"folder": str(tmp_path)}, "stream_mode": "custom"}
    with (
        Folder(tmp_path) as folder,
        client.stream("POST", f"/threads/{thread_id}/runs/stream", json=body) as response,
        connect(f"{live.replace('http', 'ws')}/ws{response.headers['Location']}") as socket,
    ):
        assert [json.loads(socket.recv(10))["event"] for _ in range(2)] == ["metadata", "custom"]
        folder.open("gate")
        assert list(socket) == []


def test_a_page_of_another_site_is_refused(live: str) -> None:
    url = f"{live.replace('http', 'ws')}/ws/threads/{uuid.uuid4()}/runs/{uuid.uuid4()}/stream"
    with pytest.raises(websockets.InvalidStatus), connect(url, origin=Origin("https://evil.example")):
        pass
