"""Reading transcripts: exchanges with the official server, written down as they went over the wire."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.contract.masks import ANYTHING

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "contract" / "transcripts"

EXCHANGE = re.compile(r"^=== \[(\d+)\] ?(.*)$", re.MULTILINE)
STATUS = re.compile(r"^<<< HTTP (\d+)")
HEADER = re.compile(r"^([A-Za-z][A-Za-z0-9-]*): (.*)$")
SECTION = re.compile(r"^=== ((?:GET|join_stream) .*)\nHTTP/1\.1 (\d+)", re.MULTILINE)
RUN = re.compile(r"/threads/([0-9a-f-]{36})/runs/([0-9a-f-]{36})|/runs/([0-9a-f-]{36})")
NOTE = re.compile(r"^##### NOTE: ", re.MULTILINE)


@dataclass
class Frame:
    """One server-sent event."""

    event: str
    data: str
    id: str = ""

    @property
    def has_id(self) -> bool:
        return bool(self.id)


@dataclass
class Exchange:
    """A request and its answer. ``body`` and ``answer`` are the texts that were sent.

    ``heartbeats``: how often silence was broken, by a comment of a stream or a line break before an answer.
    ``left``: the client did not stay to the end.
    """

    number: int
    label: str
    method: str = ""
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: str = ""
    frames: list[Frame] | None = None
    heartbeats: int = 0
    left: bool = False
    notes: list[str] = field(default_factory=list)


def read(path: Path) -> list[Exchange]:
    """The exchanges of one transcript, in their order."""
    text = path.read_text()
    if EXCHANGE.search(text):
        return list(_numbered(text))
    return list(_sections(text) if SECTION.search(text) else _unnumbered(text))


def _numbered(text: str) -> Iterator[Exchange]:
    parts = EXCHANGE.split(text)
    for number, label, part in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        first, *notes = NOTE.split(part)
        exchange = Exchange(int(number), label.strip(), notes=[note.strip() for note in notes])
        _read_exchange(exchange, first)
        yield exchange


def _read_exchange(exchange: Exchange, text: str) -> None:
    lines = text.strip("\n").split("\n")
    sent = [line.removeprefix(">>>").lstrip() for line in lines if line.startswith(">>>")]
    received = [line for line in lines if not line.startswith(">>>")]
    exchange.method, exchange.path = sent[0].split(" ", 1)
    _read_request(exchange, sent[1:])
    raw = [line for line in received if not line.startswith("<<<")]
    exchange.left = any(line.startswith("<<< (END: client closed") for line in received)
    for line in received:
        if found := STATUS.match(line):
            exchange.status = int(found[1])
        elif line.startswith("<<< ") and (found := HEADER.match(line.removeprefix("<<< "))):
            exchange.answer_headers[found[1].lower()] = found[2]
    if exchange.answer_headers.get("content-type", "").startswith("text/event-stream"):
        exchange.frames, exchange.heartbeats = frames("\n".join(raw))
    else:
        answer = "\n".join(raw)
        exchange.answer = answer.strip("\n")
        exchange.heartbeats = len(answer) - len(answer.lstrip("\n")) if exchange.answer else 0


def _read_request(exchange: Exchange, lines: list[str]) -> None:
    for position, line in enumerate(lines):
        found = HEADER.match(line)
        if not found:
            exchange.body = "\n".join(lines[position:])
            return
        if found[1].lower() not in ("accept", "content-type"):
            exchange.headers[found[1].lower()] = found[2]


def frames(text: str) -> tuple[list[Frame], int]:
    r"""Events, and how many heartbeats stood between them. Line ends may be written out, as ``\r\n``."""
    found: list[Frame] = []
    heartbeats = 0
    for line in text.split("\n"):
        key, _, value = line.removesuffix("\\r\\n").partition(": ")
        if key == "event":
            found.append(Frame(value, ""))
        elif key == "data":
            found[-1].data = value
        elif key == "id":
            found[-1].id = value
        elif not key and value == "heartbeat":
            heartbeats += 1
    return found, heartbeats


def _unnumbered(text: str) -> Iterator[Exchange]:
    """The other form: a stream as curl shows it, on a thread of its own, then bodies with their answers."""
    stream, _, rest = text.partition("\n=== ")
    head, _, body = stream.partition("\n\n")
    headers = {found[1].lower(): found[2] for line in head.split("\n") if (found := HEADER.match(line))}
    runs = headers["content-location"].rpartition("/")[0]
    thread_id = runs.split("/")[2]
    thread = Exchange(1, "new thread", "POST", "/threads", body="{}", status=200)
    thread.answer = json.dumps({"thread_id": thread_id, "<rest>": None})
    yield thread
    streamed = Exchange(2, stream.split("\n")[0].removeprefix("=== "), "POST", f"{runs}/stream", status=200)
    modes = stream[stream.index("[") + 1 : stream.index("]")].split(", ")
    streamed.body = json.dumps(
        {"assistant_id": "agent", "input": {"messages": "hello"}, "stream_mode": modes}
    )
    streamed.answer_headers = headers
    streamed.frames, streamed.heartbeats = frames(body)
    yield streamed
    for number, part in enumerate(rest.split("\n--- ")[1:], 3):
        body, answer = part.strip().split("\n", 1)
        found = re.search(r" \[(\d+)\]$", answer)
        exchange = Exchange(number, "", "POST", runs, body=body, status=int(found[1]) if found else 200)
        exchange.answer = answer.removesuffix(found[0]) if found else f"{answer}\n... [0 chars in all]"
        yield exchange


def _sections(text: str) -> Iterator[Exchange]:
    """Another form: what curl shows of GETs about one run, which had ended. What made it goes before."""
    found = RUN.search(text)
    assert found is not None
    thread_id, run_id = found[1], found[2] or found[3]
    body = {"assistant_id": "echo", "input": {"text": "x"}, "stream_resumable": True}
    if thread_id:
        yield _made(1, "/threads", {}, thread_id=thread_id)
    runs = f"/threads/{thread_id}/runs" if thread_id else "/runs"
    yield _made(2, runs, body, run_id=run_id)
    yield Exchange(3, "its end", "GET", f"{runs}/{run_id}/join", status=200, answer=f'"{ANYTHING}"')
    parts = SECTION.split(text)
    for number, (label, status, part) in enumerate(
        zip(parts[1::3], parts[2::3], parts[3::3], strict=True), 4
    ):
        head, _, answer = part.partition("\n=== ")[0].partition("\n\n")
        exchange = Exchange(number, "", "GET", f"{runs}/{run_id}/stream", status=int(status))
        if label.startswith("GET /"):
            exchange.path = label.split(" ")[1]
        if "'" in label:
            exchange.label = label.rpartition(", ")[2]
            exchange.headers = {"last-event-id": label.split("'")[1]}
        exchange.answer_headers = {
            f[1].lower(): f[2] for line in head.split("\n") if (f := HEADER.match(line))
        }
        if status == "200":
            exchange.frames, exchange.heartbeats = frames(answer)
        else:
            exchange.answer = answer.strip()
        yield exchange


def _made(number: int, path: str, body: Any, **ids: str) -> Exchange:
    """An exchange of whose answer nothing is known but the id."""
    answer = json.dumps({**ids, "<rest>": None})
    return Exchange(number, "", "POST", path, body=json.dumps(body), status=200, answer=answer)
