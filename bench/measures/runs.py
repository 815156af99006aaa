from __future__ import annotations

from bench.measures.calls import runs_of, streams_of
from bench.meter import Meter
from bench.sizes import Sizes
from bench.targets import Target, Work


async def measure(target: Target, meter: Meter, sizes: Sizes) -> None:
    """One node on a fresh thread, from the request to the run's end."""
    few, many = sizes.runs
    await meter.load("runs.echo.c1", runs_of(target, Work("echo")), few)
    await meter.load("runs.echo.c16", runs_of(target, Work("echo")), many, at_a_time=16)
    await meter.load("runs.echo_stream.c1", streams_of(target, Work("echo"), "updates"), few)
