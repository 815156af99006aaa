"""A web process that is told to stop lets go of those who wait, for them to go on elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from httpx_sse import connect_sse
from websockets.sync.client import connect

from tests.faults.cluster import Web
from tests.live import TEST_GRAPHS
from tests.runs.api import create_thread, names, rejoin, status_in_the_end
from tests.runs.told import PATIENCE, Folder


@dataclass
class Left:
    """What a client was told before the server let go of it."""

    headers: httpx.Headers = field(default_factory=httpx.Headers)
    ids: list[str] = field(default_factory=list)
    body: Any = None
    broken: bool = False


@dataclass
class Deploy:
    left: dict[str, Left]
    close_code: int | None
    seconds: float
    said: str


BODY = {"assistant_id": "two_steps", "stream_mode": ["updates", "custom"], "stream_resumable": True}
REQUESTS = {
    "stream": ("POST", "/threads/{}/runs/stream", {}),
    "stream to cancel": ("POST", "/threads/{}/runs/stream", {"on_disconnect": "cancel"}),
    "stateless stream": ("POST", "/runs/stream", {}),
    "wait": ("POST", "/threads/{}/runs/wait", {}),
    "stateless wait": ("POST", "/runs/wait", {"on_disconnect": "cancel"}),
    "create": ("POST", "/threads/{}/runs", {"on_disconnect": "cancel"}),
    "idle thread": ("GET", "/threads/{}/stream", None),
}
STREAMS = ["stream", "stateless stream"]


def ask(url: str, thread_id: str, request: tuple[str, str, Any], folder: Folder, left: Left) -> None:
    method, path, options = request
    body = None if options is None else {**BODY, "input": folder.input, **options}
    with httpx.Client(base_url=url, timeout=60) as client:
        try:
            with client.stream(method, path.format(thread_id), json=body) as response:
                left.headers = response.headers
                lines = list[str]()
                for line in response.iter_lines():
                    lines.append(line)
                    left.ids += [line.removeprefix("id: ")] if line.startswith("id: ") else []
                left.body = "".join(lines)
        except httpx.RemoteProtocolError:
            left.broken = True


def wait_for_events(streams: list[Left], count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(len(stream.ids) < count for stream in streams):
        assert time.monotonic() < deadline, streams
        time.sleep(0.01)


@pytest.fixture(scope="module")
def web(live: str, live_database: str) -> Web:
    """A web process beside those of the live server."""
    environment = {
        "DATABASE_URL": live_database,
        "LANGGRAPH_JSON": str(TEST_GRAPHS),
        "SKEINO_ALLOW_ANONYMOUS": "1",
    }
    web = Web({**os.environ, **environment})
    asyncio.run(web.answers())
    return web


@pytest.fixture(scope="module")
def elsewhere(live: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def deploy(web: Web, elsewhere: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """A process stops while clients wait for it in all ways there are; the gate of their runs is closed."""
    url = f"http://127.0.0.1:{web.port}"
    running = sum(method == "POST" for method, _, _ in REQUESTS.values())
    with (
        ThreadPoolExecutor(len(REQUESTS)) as clients,
        closing(web),  # ends what the clients wait for, whatever happens
        Folder(tmp_path_factory.mktemp("told")) as folder,
    ):
        left = {name: Left() for name in REQUESTS}
        asked = [
            clients.submit(ask, url, create_thread(elsewhere), request, folder, left[name])
            for name, request in REQUESTS.items()
        ]
        folder.wait_for_line("second", times=running)
        [run, *_] = elsewhere.post("/runs/batch", json=[{**BODY, "input": folder.input}]).json()
        folder.wait_for_line("second", times=running + 1)
        path = f"/ws/threads/{run['thread_id']}/runs/{run['run_id']}/stream"
        with connect(f"{url.replace('http', 'ws')}{path}") as socket:
            assert [json.loads(socket.recv(10))["event"] for _ in range(3)] == [
                "metadata",
                "updates",
                "custom",
            ]
            wait_for_events([left[name] for name in STREAMS], 3)
            begun = time.monotonic()
            asyncio.run(web.terminate())
            seconds = time.monotonic() - begun
            with pytest.raises(websockets.ConnectionClosed):
                socket.recv(5)
            for one in asked:
                one.result()
            yield Deploy(left, socket.close_code, seconds, web.said())
            folder.open("gate")


def test_the_process_has_stopped_soon_and_without_complaint(deploy: Deploy) -> None:
    assert deploy.seconds < 10
    assert deploy.said == ""


@pytest.mark.parametrize("name", [name for name in REQUESTS if name != "create"])
def test_what_is_under_way_is_broken_off(deploy: Deploy, name: str) -> None:
    """In order, it would look like the end to a client that does not look at the run."""
    assert deploy.left[name].broken


def test_a_socket_is_told_that_the_service_restarts(deploy: Deploy) -> None:
    assert deploy.close_code == 1012


def test_a_created_run_is_answered_as_it_is(deploy: Deploy) -> None:
    left = deploy.left["create"]
    assert not left.broken
    assert json.loads(left.body)["status"] == "running"
    assert left.headers["Location"].endswith(json.loads(left.body)["run_id"])


def test_no_run_is_cancelled_for_it(deploy: Deploy, elsewhere: httpx.Client) -> None:
    paths = [
        left.headers["Content-Location"]
        for left in deploy.left.values()
        if "Content-Location" in left.headers
    ]
    assert [elsewhere.get(path).json()["status"] for path in paths] == ["running"] * 6


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_goes_on_where_its_location_says(deploy: Deploy, elsewhere: httpx.Client, name: str) -> None:
    left = deploy.left[name]
    assert left.ids == ["1", "2", "3"]
    headers = {"Last-Event-ID": left.ids[-2]}
    with connect_sse(elsewhere, "GET", left.headers["Location"], headers=headers) as source:
        assert next(source.iter_sse()).id == left.ids[-1]


def test_all_runs_end_well_elsewhere(deploy: Deploy, elsewhere: httpx.Client) -> None:
    folder = Folder(Path(json.loads(deploy.left["create"].body)["kwargs"]["input"]["folder"]))
    folder.open("gate")
    for name, left in deploy.left.items():
        if name == "idle thread":
            continue
        if "wait" in name:
            assert elsewhere.get(left.headers["Location"]).json()["done"] == ["first", "second"]
        else:
            run = elsewhere.get(left.headers["Content-Location"]).json()
            path = f"/threads/{run['thread_id']}/runs/{run['run_id']}"
            assert status_in_the_end(elsewhere, path) == "success"
            assert names(rejoin(elsewhere, f"{path}/stream", "3")) == ["updates"]
