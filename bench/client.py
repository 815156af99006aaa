"""An HTTP client that costs little, for on a small machine it competes with the server it measures.

A general one takes more CPU for a request than a fast server does. This one parses with httptools and knows
plain HTTP, connections that are kept, and event streams.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httptools
import orjson

# A kept connection that was idle for longer is not trusted: the server may be closing it.
IDLE_SECONDS = 2.0
BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")
# Events about the stream, not of the run.
CONTROL = {b"metadata", b"end", b"error"}


class Event(NamedTuple):
    at: float  # when it arrived, on the monotonic clock
    name: bytes
    block: bytes  # all its lines


class Events:
    """An event stream, as it arrives. Comments are no events."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        now = time.monotonic()
        *blocks, self._rest = BLANK_LINE.split(self._rest + chunk)
        for block in blocks:
            fields = dict(line.partition(b":")[::2] for line in block.splitlines())
            if b"data" in fields:
                self.all.append(Event(now, fields.get(b"event", b"message").strip(), block))

    @property
    def data(self) -> list[Event]:
        """The run's own events, without those about the stream."""
        return [event for event in self.all if event.name not in CONTROL]

    @property
    def failed(self) -> bool:
        return any(event.name == b"error" for event in self.all)


class Reply(NamedTuple):
    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """One connection with at most one request at a time. httptools calls the ``on_`` methods."""

    transport: asyncio.Transport | None = None
    idle_since = 0.0
    is_reusable = False

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._reply: asyncio.Future[Reply] | None = None

    def send(self, request: bytes, events: Events | None) -> asyncio.Future[Reply]:
        """What a 200 answers goes to ``events``, if they are given, as it arrives."""
        assert self.transport
        self._body, self._events = bytearray(), events
        self._reply = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._reply

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if self._events is not None and self._parser.get_status_code() == 200:
            self._events.feed(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        self.is_reusable = self._parser.should_keep_alive()
        if self._reply and not self._reply.done():
            self._reply.set_result(Reply(self._parser.get_status_code(), bytes(self._body)))

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._reply and not self._reply.done():
            self._reply.set_exception(ConnectionError(f"The connection was lost: {exc or 'closed'}"))


class Client:
    """Requests to one server. Keeps as many connections as there were requests at a time."""

    def __init__(self, base_url: str, *, timeout: float = 120.0) -> None:
        url = urlsplit(base_url)
        self._host, self._port, self._timeout = url.hostname or "127.0.0.1", url.port or 80, timeout
        self._head = f"Host: {url.netloc}\r\nContent-Type: application/json\r\nAccept: */*\r\n"
        self._idle: list[Connection] = []

    async def call(self, method: str, path: str, body: Any = None, events: Events | None = None) -> Reply:
        """Raises TimeoutError and ConnectionError; a status is for the caller to look at."""
        payload = b"" if body is None else orjson.dumps(body)
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(payload)}\r\n\r\n"
        connection = await self._connected()
        try:
            async with asyncio.timeout(self._timeout):
                reply = await connection.send(head.encode() + payload, events)
        except BaseException:
            if connection.transport:
                connection.transport.abort()
            raise
        if connection.is_reusable:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        elif connection.transport:
            connection.transport.close()
        return reply

    def close(self) -> None:
        while self._idle:
            if transport := self._idle.pop().transport:
                transport.close()

    async def _connected(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.transport and time.monotonic() - connection.idle_since < IDLE_SECONDS:
                return connection
            if connection.transport:
                connection.transport.close()
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(Connection, self._host, self._port))[1]
