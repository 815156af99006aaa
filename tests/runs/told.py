"""The other side of ``tests/graphs/told.py``: the folder through which a test talks to its graphs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Self

PATIENCE = 20.0  # seconds


class Folder:
    """Reads what nodes wrote, and makes the files they wait for. On leaving, nobody is left waiting."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.open("gate")

    @property
    def input(self) -> dict[str, Any]:
        return {"folder": str(self.path)}

    @property
    def lines(self) -> list[str]:
        log = self.path / "log"
        return log.read_text().splitlines() if log.exists() else []

    def open(self, name: str) -> None:
        (self.path / name).touch()

    def is_open(self, name: str) -> bool:
        return (self.path / name).exists()

    def wait_for_line(self, line: str, times: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.lines.count(line) < times:
            assert time.monotonic() < deadline, f"No {line!r} in {self.lines}."
            time.sleep(0.01)

    async def await_line(self, line: str, times: int = 1) -> None:
        """See ``wait_for_line``."""
        async with asyncio.timeout(PATIENCE):
            while self.lines.count(line) < times:
                await asyncio.sleep(0.01)
