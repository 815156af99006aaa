"""Answers that come while others are asked for, and such as a client does not wait for the end of."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import httpx

PATIENCE = 10.0  # seconds
END = 60.0  # seconds, in which every answer has ended
SILENCE = 4.0  # seconds; after as many without an event, nobody waits for one any more


@dataclass
class Coming:
    """An answer under way, read by a thread of its own.

    ``leaves``: the client leaves after so many events, or when it is told to; None, and it never does.
    """

    leaves: int | None = None
    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    text: str = ""
    _news: threading.Condition = field(default_factory=threading.Condition)
    _left: threading.Event = field(default_factory=threading.Event)

    @property
    def events(self) -> int:
        return self.text.count("\nevent: ") + self.text.startswith("event: ")

    @property
    def is_success(self) -> bool:
        return httpx.codes.is_success(self.status)

    def ask(self, client: httpx.Client, method: str, path: str, **request: Any) -> None:
        """Send the request, and return when the answer's head is there."""
        arguments = (client, method, path)
        self._thread = threading.Thread(target=self._read, args=arguments, kwargs=request, daemon=True)
        self._thread.start()
        self._wait(lambda: self.status != 0)

    def wait_for_events(self, count: int) -> None:
        self._wait(lambda: self.events >= count)

    def leave(self) -> None:
        self._left.set()

    def end(self) -> Coming:
        """The answer, when all of it is there that will be."""
        self._thread.join(END)
        assert not self._thread.is_alive(), f"No end: {self.text}"
        return self

    def _wait(self, happened: Any) -> None:
        with self._news:
            assert self._news.wait_for(happened, PATIENCE), f"{self.events} events: {self.text}"

    def _read(self, client: httpx.Client, method: str, path: str, **request: Any) -> None:
        timeout = None if self.leaves is None else SILENCE
        with client.stream(method, path, timeout=timeout, **request) as response:
            self._note(response.status_code, response.headers)
            if self.leaves == 0:
                self._left.wait(PATIENCE)
                return
            try:
                for part in response.iter_text():
                    self._note(text=part)
                    if self.leaves is not None and self.events >= self.leaves:
                        return
            except httpx.ReadTimeout:
                return

    def _note(self, status: int = 0, headers: Any = None, text: str = "") -> None:
        with self._news:
            self.status, self.headers = status or self.status, headers or self.headers
            self.text += text.replace("\r\n", "\n")
            self._news.notify_all()
