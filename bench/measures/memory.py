from __future__ import annotations

from functools import partial

from bench.measures.paced import Pace, play
from bench.meter import Meter
from bench.sizes import Sizes
from bench.targets import Server

# Of fewer streams, most is what earlier measures have left in the processes.
ENOUGH = 500


async def measure(server: Server, meter: Meter, sizes: Sizes) -> None:
    """Resident memory of all the server's processes, idle and with streams open."""
    meter.note_memory("idle")
    idle = meter.sample("memory.rss_idle").values[-1]
    for streams in sizes.open_streams:
        pace = Pace(streams, 40, 0.25, opened_within=streams / 100)
        state = f"{streams}_streams"
        midway = partial(meter.note_memory, state)
        await play(server, meter, f"memory.streams{streams}", pace, midway=midway)
        if streams >= ENOUGH:
            grown = meter.sample(f"memory.rss_{state}").values[-1] - idle
            meter.sample("memory.per_stream", "KiB").values.append(1024 * grown / streams)
    meter.note_memory("after")
