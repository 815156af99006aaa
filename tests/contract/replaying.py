"""Repeating recorded exchanges against a live server."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import httpx

from tests.contract import recordings, transcripts
from tests.contract.answers import PATIENCE, Coming
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
        self._answers: dict[int, Coming] = {}
        self._recordings = recordings.load(name)
        for number, recorded in self._recordings.items():
            try:
                for other in self._recordings.values():
                    if other.begins == number:
                        self._ask(other)
                if recorded.begins is None:
                    self._ask(recorded)
                self.findings[number] = list(self._exchange(recorded, self._answers[number].end()))
            except UnknownId as exc:
                self.findings[number] = [Finding("request needs an id that no answer has given", str(exc))]

    def _ask(self, recorded: Recorded) -> None:
        if recorded.after:
            self._answers[recorded.after[0]].wait_for_events(recorded.after[1])
        if recorded.until and recorded.leaves is None:
            self._wait_until(*recorded.until)
        answer = self._answers[recorded.number] = Coming(recorded.leaves)
        path = self._comparison.filled_in(recorded.path)
        headers = {name: self._event_id(value) for name, value in recorded.headers.items()}
        answer.ask(self._client, recorded.method, path, headers=headers, **self._body(recorded))
        if recorded.leaves is not None:
            if recorded.until:
                self._wait_until(*recorded.until)
            answer.leave()

    def _wait_until(self, path: str, keys: list[str], value: Any) -> None:
        """Ask until the answer says so. What never comes is seen in the exchange itself."""
        deadline = time.monotonic() + PATIENCE
        shown = None
        while shown != value and time.monotonic() < deadline:
            time.sleep(0.05)
            shown = self._client.get(self._comparison.filled_in(path)).json()
            for key in keys:
                shown = shown.get(key) if isinstance(shown, dict) else None

    def _event_id(self, value: str) -> str:
        """The id of that event here, where `event 3/0` names the first event of exchange 3."""
        found = re.fullmatch(r"event (\d+)/(\d+)", value)
        if not found:
            return value
        number, place = map(int, found.groups())
        wanted = (self._recordings[number].events or [])[place]
        for frame in transcripts.frames(self._answers[number].text)[0]:
            if [frame.event, json.loads(frame.data)] == list(wanted):
                return frame.id
        raise UnknownId(value)

    def _exchange(self, recorded: Recorded, answer: Coming) -> Iterator[Finding]:
        if answer.status != recorded.status:
            yield Finding(f"status {recorded.status} became {answer.status}")
            self._undo(recorded, answer)
            return  # the rest of two different answers is bound to differ
        yield from self._head(recorded, answer)
        if recorded.events is not None:
            yield from self._stream(recorded, answer)
        elif recorded.leaves is None:
            yield from self._answer(recorded, answer)

    def _undo(self, recorded: Recorded, answer: Coming) -> None:
        """A thread that the official server did not make would turn up in later answers."""
        if recorded.path == "/threads" and recorded.status >= 400 and answer.status == 200:
            thread_id = json.loads(answer.text)["thread_id"]
            self._client.delete(f"/threads/{thread_id}").raise_for_status()

    def _body(self, recorded: Recorded) -> dict[str, Any]:
        if recorded.text is not None:
            return {"content": recorded.text}
        if recorded.body is None:
            return {}
        body = self._comparison.filled_in(recorded.body)
        return {"json": each_string(body, lambda text: text.replace(RECEIVER, self._receiver.url))}

    def _head(self, recorded: Recorded, answer: Coming) -> Iterator[Finding]:
        for name in HEADERS:
            expected, here = recorded.answer_headers.get(name), answer.headers.get(name)
            if expected is None and here is not None:
                if recorded.answer_headers and name not in UNASKED:
                    yield Finding(f"header {name} extra", here=here)
            elif expected is not None and here is None:
                yield Finding(f"header {name} missing", expected)
            elif expected is not None and not self._comparison.same_text(expected, str(here)):
                yield Finding(f"header {name} differs", expected, here)

    def _answer(self, recorded: Recorded, answer: Coming) -> Iterator[Finding]:
        here: Any = None
        if answer.text:
            is_json = answer.headers["content-type"].startswith("application/json")
            here = json.loads(answer.text) if is_json else answer.text
        if recorded.length is not None and len(here) != recorded.length:
            yield Finding("answer[] length", recorded.length, len(here))
        if recorded.heartbeats != answer.text.startswith("\n"):
            yield Finding("heartbeats", recorded.heartbeats, not recorded.heartbeats)
        yield from self._comparison.values("answer", recorded.answer, here)
        for symbol, path in recorded.binds.items():
            value = here
            for step in path:
                value = value[step]
            self._comparison.bind(symbol, value)
        if recorded.webhook is not None:
            body = self._receiver.received.get(timeout=WEBHOOK_SECONDS)
            body = each_string(body, lambda text: text.replace(self._receiver.url, RECEIVER))
            yield from self._comparison.values("webhook", recorded.webhook, body)

    def _stream(self, recorded: Recorded, answer: Coming) -> Iterator[Finding]:
        frames, heartbeats = transcripts.frames(answer.text)
        here = [(frame.event, json.loads(frame.data)) for frame in frames[: recorded.leaves]]
        yield from self._comparison.events(recorded.events or [], here)
        if frames and recorded.events and recorded.with_ids != all(frame.has_id for frame in frames):
            yield Finding("events' ids", recorded.with_ids, not recorded.with_ids)
        if recorded.heartbeats != bool(heartbeats):
            yield Finding("heartbeats", recorded.heartbeats, bool(heartbeats))
