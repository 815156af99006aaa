from __future__ import annotations

from bench.measures.calls import runs_of
from bench.meter import Meter
from bench.sizes import Sizes
from bench.targets import Target, Work


async def measure(target: Target, meter: Meter, sizes: Sizes) -> None:
    """A run of 20 nodes in a chain, which writes 22 checkpoints."""
    few, many = sizes.steps
    await meter.load("steps.c1", runs_of(target, Work("steps")), few)
    await meter.load("steps.c16", runs_of(target, Work("steps")), many, at_a_time=16)
