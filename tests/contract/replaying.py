"""Repeating recorded exchanges against a live server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import httpx

from tests.contract import recordings, transcripts
from tests.contract.comparing import Comparison, Finding, UnknownId
from tests.contract.masks import RECEIVER, each_string
from tests.contract.record import HEADERS
from tests.contract.recordings import Recorded

UNASKED = ("allow",)  # headers that may be in any answer
WEBHOOK_SECONDS = 10


class Receiver:
    """A local server that keeps what is posted to it."""

    def __init__(self) -> None:
        self.received: Queue[dict[str, Any]] = Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.put(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Replay:
    """One recording, repeated in its order. ``findings`` has the differences of every exchange."""

    def __init__(self, name: str, client: httpx.Client, receiver: Receiver) -> None:
        self.findings: dict[int, list[Finding]] = {}
        self._client, self._receiver = client, receiver
        self._comparison = Comparison()
        for number, recorded in recordings.load(name).items():
            try:
                self.findings[number] = list(self._exchange(recorded))
            except UnknownId as exc:
                self.findings[number] = [Finding("request needs an id that no answer has given", str(exc))]

    def _exchange(self, recorded: Recorded) -> Iterator[Finding]:
        path = self._comparison.filled_in(recorded.path)
        response = self._client.request(
            recorded.method, path, headers=recorded.headers, **self._body(recorded)
        )
        if response.status_code != recorded.status:
            yield Finding(f"status {recorded.status} became {response.status_code}")
            self._undo(recorded, response)
            return  # the rest of two different answers is bound to differ
        yield from self._head(recorded, response)
        if recorded.events is not None:
            yield from self._stream(recorded, response)
        elif recorded.waits and response.is_success:
            yield from self._left_by_run(recorded, response.json())
        else:
            yield from self._answer(recorded, response)

    def _undo(self, recorded: Recorded, response: httpx.Response) -> None:
        """A thread that the official server did not make would turn up in later answers."""
        if recorded.path == "/threads" and recorded.status >= 400 and response.status_code == 200:
            self._client.delete(f"/threads/{response.json()['thread_id']}").raise_for_status()

    def _body(self, recorded: Recorded) -> dict[str, Any]:
        if recorded.text is not None:
            return {"content": recorded.text}
        if recorded.body is None:
            return {}
        body = self._comparison.filled_in(recorded.body)
        return {"json": each_string(body, lambda text: text.replace(RECEIVER, self._receiver.url))}

    def _head(self, recorded: Recorded, response: httpx.Response) -> Iterator[Finding]:
        for name in HEADERS:
            expected, here = recorded.answer_headers.get(name), response.headers.get(name)
            if expected is None and here is not None:
                if recorded.answer_headers and name not in UNASKED and not recorded.waits:
                    yield Finding(f"header {name} extra", here=here)
            elif expected is not None and here is None:
                yield Finding(f"header {name} missing", expected)
            elif expected is not None and not self._comparison.same_text(expected, str(here)):
                yield Finding(f"header {name} differs", expected, here)

    def _answer(self, recorded: Recorded, response: httpx.Response) -> Iterator[Finding]:
        here: Any = None
        if response.content:
            is_json = response.headers["content-type"].startswith("application/json")
            here = response.json() if is_json else response.text
        if recorded.length is not None and len(here) != recorded.length:
            yield Finding("answer[] length", recorded.length, len(here))
        yield from self._comparison.values("answer", recorded.answer, here)
        for symbol, path in recorded.binds.items():
            value = here
            for step in path:
                value = value[step]
            self._comparison.bind(symbol, value)

    def _left_by_run(self, recorded: Recorded, run: dict[str, Any]) -> Iterator[Finding]:
        thread = self._client.get(f"/threads/{run['thread_id']}").json()
        here = {"error": run["error"]} if run["status"] == "error" else {"values": thread["values"]}
        yield from self._comparison.values("answer", recorded.answer, here)
        if recorded.webhook is not None:
            body = self._receiver.received.get(timeout=WEBHOOK_SECONDS)
            body = each_string(body, lambda text: text.replace(self._receiver.url, RECEIVER))
            yield from self._comparison.values("webhook", recorded.webhook, body)

    def _stream(self, recorded: Recorded, response: httpx.Response) -> Iterator[Finding]:
        frames, heartbeats = transcripts.frames(response.text.replace("\r\n", "\n"))
        here = [(frame.event, json.loads(frame.data)) for frame in frames]
        yield from self._comparison.events(recorded.events or [], here)
        if recorded.with_ids != all(frame.has_id for frame in frames):
            yield Finding("events' ids", recorded.with_ids, not recorded.with_ids)
        if recorded.heartbeats != bool(heartbeats):
            yield Finding("heartbeats", recorded.heartbeats, bool(heartbeats))
