from __future__ import annotations

from functools import partial

from bench.measures.calls import again
from bench.meter import Meter
from bench.sizes import Sizes
from bench.targets import Target, Work

MESSAGES = (10, 100, 1000)
FILLER = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor " * 2


async def measure(target: Target, meter: Meter, sizes: Sizes) -> None:
    """One node on a thread that holds many messages."""
    for messages in MESSAGES:
        await with_messages(target, meter, messages, sizes.growth)


async def with_messages(target: Target, meter: Meter, messages: int, calls: int) -> None:
    """Every run adds two more."""
    thread_id = await target.create_thread()
    roles = ("user", "assistant")
    talk = tuple({"role": roles[n % 2], "content": f"{n} {FILLER}"} for n in range(messages - 1))
    await target.run(thread_id, Work("echo", messages=talk))
    run = partial(target.run, thread_id, Work("echo"))
    stream = partial(target.stream, thread_id, Work("echo"), "updates")
    await meter.load(f"growth.{messages}.run", again(run), calls)
    await meter.load(f"growth.{messages}.stream", again(stream), calls)
