"""The receiving end of webhooks."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "known to server and receiver"


@dataclass(frozen=True)
class Call:
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_signed(self) -> bool:
        """Whether the sender knows the secret, and signed this body at this time."""
        signed = self.headers["x-skeino-timestamp"].encode() + b"." + self.body
        expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        return hmac.compare_digest(f"sha256={expected}", self.headers["x-skeino-signature"])


class Receiver:
    def __init__(self, url: str, calls: queue.Queue[Call]) -> None:
        self.url = url
        self._calls = calls

    async def call(self) -> Call:
        """Wait for the next one."""
        return await asyncio.to_thread(self._calls.get, timeout=20)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on this machine that says 204 to every call."""
    calls: queue.Queue[Call] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            calls.put(Call(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Receiver(f"http://127.0.0.1:{server.server_port}/ended", calls)
        finally:
            server.shutdown()
            thread.join()
