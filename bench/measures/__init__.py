"""The measures, by section. A section's name is how each of its measures' names begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bench.measures import growth, history, memory, paced, runs, steps, stream, threads
from bench.meter import Meter
from bench.sizes import Sizes

Section = Callable[[Any, Meter, Sizes], Awaitable[None]]

SECTIONS: dict[str, Section] = {
    "threads": threads.measure,
    "runs": runs.measure,
    "stream": stream.measure,
    "paced": paced.measure,
    "memory": memory.measure,
    "steps": steps.measure,
    "history": history.measure,
    "growth": growth.measure,
}
# What only a server has.
SERVED = {"threads", "memory"}
