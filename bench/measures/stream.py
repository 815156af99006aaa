from __future__ import annotations

from bench.client import Events
from bench.measures.calls import streams_of
from bench.meter import Meter
from bench.sizes import Sizes
from bench.targets import Target, Work

TOKENS = 200


async def measure(target: Target, meter: Meter, sizes: Sizes) -> None:
    """The first event (ttfe: time from sending the request), and how fast the others follow."""
    few, many = sizes.streams
    task = "custom" if target.token_mode == "custom" else "tokens"
    tokens = streams_of(target, Work(task, f"emit {TOKENS}x0", events=TOKENS), target.token_mode)
    values = streams_of(target, Work("tokens", f"emit {TOKENS}x0"), "values")
    await meter.load("stream.ttfe.messages.c1", tokens, few, value=_first_event)
    await meter.load("stream.ttfe.values.c1", values, few, value=_first_event)
    await meter.load("stream.events_per_s.c1", tokens, few, value=_speed, unit="events/s")
    await meter.load("stream.events_per_s.c16", tokens, many, at_a_time=16, weight=TOKENS)


def _first_event(events: Events, begun: float) -> float:
    return 1000 * (events.data[0].at - begun)


def _speed(events: Events, begun: float) -> float:
    return len(events.data) / (events.data[-1].at - begun)
