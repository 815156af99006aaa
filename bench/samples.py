"""What a measured load leaves: values, a rate, and the CPU that each party took meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

# What the clocks of processes and machine may differ by, in seconds.
CLOCK_ERROR = 0.05
# Of what took no longer than so many seconds, they tell nothing.
SHORT = 0.3


@dataclass
class Sample:
    """``values`` are of single calls, ``rate`` is calls (or events) a second of all calls together."""

    unit: str = "ms"
    values: list[float] = field(default_factory=list)
    rate: float | None = None
    errors: int = 0
    first_error: str = ""
    note: str = ""
    wall: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)  # seconds, by party

    def failed(self, exc: BaseException) -> None:
        self.errors += 1
        self.first_error = self.first_error or f"{type(exc).__name__}: {exc}"

    def report(self) -> dict[str, Any]:
        """As JSON. CPU is in ms a call; ``disturbance`` is what unrelated processes took, in cores."""
        found: dict[str, Any] = {"unit": self.unit, "n": len(self.values), "errors": self.errors}
        found |= quantiles(self.values)
        if self.rate is not None:
            found["rate"] = self.rate
        if self.cpu and self.values:
            found["cpu"] = {
                party: 1000 * seconds / len(self.values)
                for party, seconds in self.cpu.items()
                if party != "other"
            }
            if self.wall > SHORT:
                found["disturbance"] = max(0.0, self.cpu["other"] - CLOCK_ERROR) / self.wall
        texts = {"first_error": self.first_error, "note": self.note}
        return found | {name: text for name, text in texts.items() if text}


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99; none of no values."""
    ordered = sorted(values)
    wanted = {"p50": 0.5, "p95": 0.95, "p99": 0.99} if ordered else {}
    return {name: ordered[min(len(ordered) - 1, int(q * len(ordered)))] for name, q in wanted.items()}


class Parties:
    """The processes that take part, by party: each given one with all its descendants."""

    def __init__(self, pids: dict[str, list[int]]) -> None:
        self._pids = pids | {"client": [os.getpid()]} if pids.get("server") != [os.getpid()] else pids

    def rss_mib(self, party: str = "server") -> float:
        """Resident memory. What processes share is counted in each."""
        return self._sum(party, lambda process: process.memory_info().rss) / 2**20

    def pss_mib(self, party: str = "server") -> float:
        """Resident memory. What processes share is divided among them (Linux's proportional set size)."""
        return self._sum(party, lambda process: process.memory_full_info().pss) / 2**20

    def cpu_seconds(self) -> dict[str, float]:
        """Since their start, and ``other``: all else on this machine."""
        used = {party: self._cpu_of(party) for party in self._pids}
        times = psutil.cpu_times()
        busy = sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
        return used | {"other": busy - sum(used.values())}

    def _cpu_of(self, party: str) -> float:
        return self._sum(party, lambda process: sum(process.cpu_times()[:2]))

    def _sum(self, party: str, read: Callable[[psutil.Process], float]) -> float:
        total = 0.0
        for process in self._tree(party):
            with suppress(psutil.NoSuchProcess):  # one that has just ended
                total += read(process)
        return total

    def _tree(self, party: str) -> Iterator[psutil.Process]:
        for pid in self._pids.get(party, []):
            with suppress(psutil.NoSuchProcess):  # one that has just ended
                root = psutil.Process(pid)
                yield root
                yield from root.children(recursive=True)
