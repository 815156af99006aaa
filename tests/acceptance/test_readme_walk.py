"""What the README promises, done as its reader would: a real server, the example graphs, real clients."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.schema import Config
from websockets.sync.client import connect

from tests.live import ROOT, serving

TOKEN_DELAY = 0.03  # seconds; the examples' model pauses before each token


@pytest.fixture(scope="module")
def server(fresh_database: Callable[[], str]) -> Iterator[str]:
    with serving(fresh_database(), langgraph_json=ROOT / "langgraph.json") as url:
        yield url


@pytest.fixture
async def client(server: str) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=server) as client:
        yield client


def asking(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def readme_block(language: str, containing: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    [found] = [block for block in blocks if containing in block]
    return str(found)


async def test_every_example_graph_has_an_assistant(client: LangGraphClient) -> None:
    assistants = await client.assistants.search()
    assert {one["graph_id"] for one in assistants} == {"agent", "approval", "research"}
    assert all(one["name"] and one["assistant_id"] for one in assistants)


async def test_the_agent_answers_token_by_token(client: LangGraphClient) -> None:
    thread = await client.threads.create()
    config = Config(configurable={"delay": TOKEN_DELAY})
    arrivals, text = [], ""
    async for part in client.runs.stream(
        thread["thread_id"],
        "agent",
        input=asking("What is the weather in Paris?"),
        config=config,
        stream_mode="messages-tuple",
    ):
        if part.event == "messages" and part.data[0]["type"] == "AIMessageChunk":
            arrivals.append(time.monotonic())
            text += part.data[0]["content"]
    pauses = [after - before for before, after in pairwise(arrivals)]
    assert "Paris" in text
    assert len(arrivals) > 10
    assert len([pause for pause in pauses if pause > TOKEN_DELAY / 3]) > len(pauses) / 2


async def test_a_conversation_is_remembered(client: LangGraphClient) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    for text in ("My name is Ann.", "And I like cats."):
        async for part in client.runs.stream(thread_id, "agent", input=asking(text)):
            assert part.event in ("metadata", "values")
    state = await client.threads.get_state(thread_id)
    history = await client.threads.get_history(thread_id, limit=100)
    messages = state["values"]["messages"]  # type: ignore[call-overload]
    assert [one["type"] for one in messages] == ["human", "ai", "human", "ai"]
    assert "turn 2" in messages[-1]["content"]
    assert "My name is Ann." in messages[-1]["content"]
    assert history[0]["checkpoint"] == state["checkpoint"]
    assert history[-1]["values"]["messages"] == []  # type: ignore[call-overload]
    assert [run["status"] for run in await client.runs.list(thread_id)] == ["success", "success"]


def test_the_synchronous_client_works_as_well(server: str) -> None:
    with get_sync_client(url=server) as client:
        thread_id = client.threads.create()["thread_id"]
        parts = list(client.runs.stream(thread_id, "agent", input=asking("Hello!"), stream_mode="updates"))
        assert [part.event for part in parts] == ["metadata", "updates"]
        assert client.threads.get(thread_id)["status"] == "idle"


async def test_a_websocket_reads_what_the_event_stream_read(client: LangGraphClient, server: str) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    modes: list[Any] = ["messages-tuple", "values"]
    parts = [
        (part.event, part.data)
        async for part in client.runs.stream(
            thread_id, "agent", input=asking("What is 6 * 7?"), stream_mode=modes
        )
    ]
    url = f"{server.replace('http', 'ws')}/ws/threads/{thread_id}/runs/{parts[0][1]['run_id']}/stream"
    with connect(url) as socket:
        messages = [json.loads(message) for message in socket]
    assert [(message["event"], message["data"]) for message in messages] == parts


async def test_an_approval_waits_for_a_person(client: LangGraphClient) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    text = "Send an e-mail to ann@example.com: see you at noon"
    async for _ in client.runs.stream(thread_id, "approval", input=asking(text)):
        pass
    thread = await client.threads.get(thread_id)
    assert thread["status"] == "interrupted"
    assert len(thread["interrupts"]) == 1


def test_the_readmes_python_runs(server: str) -> None:
    code = readme_block("python", "get_sync_client").replace("http://127.0.0.1:8000", server)
    output = run(sys.executable, "-c", code)
    assert output.endswith("12 * (3 + 4) = 84\n")
    assert output.count("84") > 1  # streamed, and then from the state


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_readmes_shell_commands_run(server: str) -> None:
    code = readme_block("sh", "runs/stream").replace("http://127.0.0.1:8000", server)
    output = run("sh", "-ec", code)
    assert '"graph_id":"agent"' in output
    assert output.count("event: messages") > 10


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
