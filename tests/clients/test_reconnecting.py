"""The SDKs go on by themselves when a web process stops or is killed: they join again elsewhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.clients import nodejs
from tests.clients.streams import collect, names
from tests.faults.cluster import Balancer, Web
from tests.live import TEST_GRAPHS, serving
from tests.runs.told import Folder

pytestmark = [
    pytest.mark.filterwarnings("ignore:Request failed, attempting reconnect"),
    pytest.mark.filterwarnings("ignore:Reconnecting without a Last-Event-ID"),
]
RESUMABLE: Any = {"stream_mode": ["updates", "custom"], "stream_resumable": True}
EVENTS = ["metadata", "updates", "custom", "updates"]

ReplaceAll = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def database(fresh_database: Callable[[], str]) -> Iterator[str]:
    """That of a server whose worker executes the runs."""
    url = fresh_database()
    with serving(url):
        yield url


@pytest.fixture(scope="module")
def webs(database: str) -> Iterator[list[Web]]:
    environment = {
        "DATABASE_URL": database,
        "LANGGRAPH_JSON": str(TEST_GRAPHS),
        "SKEINO_ALLOW_ANONYMOUS": "1",
    }
    webs = [Web({**os.environ, **environment}) for _ in range(2)]
    yield webs
    for web in webs:
        web.close()


@pytest.fixture
async def client(webs: list[Web]) -> AsyncIterator[LangGraphClient]:
    """A client of whichever process answers."""
    await asyncio.gather(*(web.answers() for web in webs))
    async with Balancer(webs) as url, get_client(url=url, timeout=30) as client:
        yield client


@pytest.fixture(params=[False, True], ids=["thread", "stateless"])
async def thread_id(request: pytest.FixtureRequest, client: LangGraphClient) -> str | None:
    return None if request.param else (await client.threads.create())["thread_id"]


@pytest.fixture(params=["stop", "kill"])
def replace_all(request: pytest.FixtureRequest, webs: list[Web]) -> ReplaceAll:
    """Stop or kill every web process, and start it again."""

    async def replace() -> None:
        if request.param == "stop":
            await asyncio.gather(*(web.terminate() for web in webs))
        for web in webs:
            web.kill()
            web.start()
        await asyncio.gather(*(web.answers() for web in webs))

    return replace


async def test_a_stream_goes_on(
    client: LangGraphClient, thread_id: Any, replace_all: ReplaceAll, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        stream: Any = client.runs.stream(thread_id, "two_steps", input=folder.input, **RESUMABLE)
        seen = [await anext(stream) for _ in range(3)]
        replacing = asyncio.create_task(replace_all())
        rest = asyncio.create_task(collect(stream))
        await replacing
        folder.open("gate")
        assert names(seen + await rest) == EVENTS
    assert folder.lines == ["first", "second"]


async def test_waiting_goes_on(
    client: LangGraphClient, thread_id: Any, replace_all: ReplaceAll, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        waiting = asyncio.create_task(client.runs.wait(thread_id, "two_steps", input=folder.input))
        await folder.await_line("second")
        await replace_all()
        folder.open("gate")
        found: Any = await waiting
        assert found["done"] == ["first", "second"]
    assert folder.lines == ["first", "second"]


def answered(client: LangGraphClient, path: str) -> asyncio.Event:
    """Set when a request whose path ends so has been answered, though not to the end."""
    event = asyncio.Event()

    async def note(response: httpx.Response) -> None:
        if response.request.url.path.endswith(path):
            event.set()

    client.http.client.event_hooks = {"response": [note]}
    return event


async def test_joining_goes_on(
    client: LangGraphClient, replace_all: Callable[[], Coroutine[Any, Any, None]], tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        run = await client.runs.create(None, "two_steps", input=folder.input, **RESUMABLE)
        thread_id, run_id = run["thread_id"], run["run_id"]
        await folder.await_line("second")
        joined = answered(client, "/join")
        joining = asyncio.create_task(client.runs.join(thread_id, run_id))
        await joined.wait()
        stream: Any = client.runs.join_stream(thread_id, run_id)
        seen = [await anext(stream) for _ in range(3)]
        rest = asyncio.create_task(collect(stream))
        await replace_all()
        folder.open("gate")
        assert (await joining)["done"] == ["first", "second"]
        assert names(seen + await rest) == EVENTS


async def test_a_threads_stream_goes_on(
    client: LangGraphClient, replace_all: Callable[[], Coroutine[Any, Any, None]], tmp_path: Path
) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    with Folder(tmp_path) as folder:
        stream: Any = await client.threads.join_stream(thread_id)
        joined = answered(client, "/stream")
        following = asyncio.create_task(anext(stream))
        await joined.wait()
        await client.runs.create(
            thread_id, "two_steps", input=folder.input, headers={"Prefer": "respond-async"}, **RESUMABLE
        )
        seen = [await following, *[await anext(stream) for _ in range(2)]]
        following = asyncio.create_task(anext(stream))
        await replace_all()
        folder.open("gate")
        seen += [await following, await anext(stream)]
        assert names(seen) == [*EVENTS, "metadata"]
        following = asyncio.create_task(anext(stream))
        await replace_all()
        await client.runs.wait(thread_id, "slow", input={"text": "0"})
        assert (await following).event == "metadata"
    with suppress(asyncio.CancelledError):
        await stream.aclose()


@pytest.mark.parametrize("stateless", [False, True])
async def test_the_javascript_sdks_stream_goes_on(
    node: str,
    client: LangGraphClient,
    replace_all: Callable[[], Coroutine[Any, Any, None]],
    tmp_path: Path,
    stateless: bool,
) -> None:
    arguments = (
        [str(tmp_path)] if stateless else [str(tmp_path), (await client.threads.create())["thread_id"]]
    )
    program = await asyncio.create_subprocess_exec(
        *(node, "stream.mjs", *arguments),
        cwd=nodejs.FOLDER,
        env={**os.environ, "SKEINO_URL": str(client.http.client.base_url)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    with Folder(tmp_path) as folder:
        seen = [(await program.stdout.readline()).decode().strip() for _ in range(3)]
        await replace_all()
        folder.open("gate")
        seen += (await program.stdout.read()).decode().split()
    assert (seen, await program.wait()) == (EVENTS, 0)
    assert folder.lines == ["first", "second"]
