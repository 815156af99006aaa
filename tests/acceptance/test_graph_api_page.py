"""docs/graph-api.md, done as its reader would: every command, on the example graphs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runs.graph_api.urls import urlpatterns
from tests.live import ROOT, serving

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")

PAGE = (ROOT / "docs" / "graph-api.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def server(fresh_database: Callable[[], str]) -> Iterator[str]:
    with serving(fresh_database(), langgraph_json=ROOT / "langgraph.json") as url:
        yield url


@pytest.fixture(scope="module")
def outputs(server: str) -> list[str]:
    """What the page's blocks print, one after another."""
    return [
        subprocess.run(
            ["sh", "-ec", f"{block.replace(ADDRESS, server)}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for block in BLOCKS
    ]


def data(output: str) -> list[Any]:
    """The data of envelopes that follow each other without a break."""
    found, decoder = [], json.JSONDecoder()
    while output:
        envelope, end = decoder.raw_decode(output)
        assert envelope["success"] is True
        found.append(envelope["data"])
        output = output[end:].lstrip()
    return found


def test_there_is_a_command_for_every_endpoint() -> None:
    paths = {f"/{pattern.pattern}" for pattern in urlpatterns}
    assert {path for path in paths if not re.search(re.escape(ADDRESS + path) + r"['\s?]", PAGE)} == set()


def test_invoke(outputs: list[str]) -> None:
    [answer] = data(outputs[0])
    assert answer["messages"][0]["content"] == "What is the capital of France?"
    assert (answer["status"], answer["thread_id"]) == ("completed", "my-thread-1")


def test_stream(outputs: list[str]) -> None:
    chunks = [json.loads(line[6:]) for line in outputs[1].splitlines() if line.startswith("data: ")]
    assert [chunk["content"] for chunk in chunks if chunk["type"] == "message_end"][-1] == "6 * 7 = 42"
    assert chunks[-1]["type"] == "done"


def test_lines(outputs: list[str]) -> None:
    chunks = [json.loads(line) for line in outputs[2].splitlines()]
    assert "Paris" in next(chunk["content"] for chunk in chunks if chunk["type"] == "tool_result")
    assert chunks[-1]["type"] == "done"


def test_resume(outputs: list[str]) -> None:
    asked, answered = data(outputs[3])
    assert (asked["status"], answered["status"]) == ("interrupted", "completed")
    assert asked["interrupts"][0]["value"]["action_requests"]
    assert answered["state"]["outbox"][0]["to"] == "ann@example.com"


def test_stop(outputs: list[str]) -> None:
    assert data(outputs[4]) == [{"status": "idle", "thread_id": "my-thread-1"}]


def test_the_graph_and_ping(outputs: list[str]) -> None:
    agent, schema, approval, pong = data(outputs[5])
    assert (agent["graph_id"], approval["graph_id"], pong) == ("agent", "approval", "pong")
    assert schema["type"] == "object"
