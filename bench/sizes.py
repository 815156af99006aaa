"""How much is measured: all of it, enough for a look, or as little as a test needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Pairs are calls one at a time, and calls 16 at a time."""

    requests: tuple[int, int]
    runs: tuple[int, int]
    streams: tuple[int, int]
    steps: tuple[int, int]
    history: int
    growth: int
    store: int  # threads that there are before some are searched
    open_streams: tuple[int, ...]  # open at a time, for memory
    burst: int  # paced streams that start at once
    steady: int  # paced streams that start within a second


SIZES = {
    "full": Sizes((300, 1500), (100, 640), (40, 160), (60, 256), 30, 20, 20_000, (100, 500), 100, 40),
    "quick": Sizes((100, 400), (40, 160), (15, 48), (20, 64), 10, 10, 1000, (100,), 100, 40),
    "tiny": Sizes((3, 16), (3, 16), (2, 16), (2, 16), 2, 2, 20, (5,), 5, 5),
}
