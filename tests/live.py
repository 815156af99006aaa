"""A real server for tests: ``manage.py serve`` with its processes, a database of its own, a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
TEST_GRAPHS = Path(__file__).resolve().parent / "graphs" / "langgraph.json"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(database_url: str, *, langgraph_json: Path = TEST_GRAPHS, **env: str) -> Iterator[str]:
    """The URL of a server that lives as long as the block. What it wrote is part of any failure."""
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "LANGGRAPH_JSON": str(langgraph_json),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **env,
    }
    with tempfile.TemporaryFile("w+") as output:
        server = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "serve"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_ready(server, f"http://127.0.0.1:{port}", output)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                raise


def _wait_until_ready(server: subprocess.Popen[bytes], url: str, output: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/ok").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    output.seek(0)  # type: ignore[attr-defined]
    raise AssertionError(f"The server did not come up:\n{output.read()}")  # type: ignore[attr-defined]
