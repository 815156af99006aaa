from __future__ import annotations

from functools import partial

from bench.measures.calls import again
from bench.meter import Meter, gather_some
from bench.sizes import Sizes
from bench.targets import Server, Work

GROUPS = 100


async def measure(server: Server, meter: Meter, sizes: Sizes) -> None:
    """Making and reading threads, and searching many, by metadata too."""

    async def seed(number: int) -> str:
        return await server.create_thread({"group": str(number % GROUPS)})

    await gather_some(seed, sizes.store)
    await making_and_reading(server, meter, sizes)
    few, many = sizes.requests
    searches = {
        "search": partial(server.search),
        "search_meta": partial(server.search, metadata={"group": "7"}),
    }
    for name, search in searches.items():
        sample = await meter.load(f"threads.{name}.c1", again(search), few)
        sample.note = f"{await search()} found of {sizes.store}"
        await meter.load(f"threads.{name}.c16", again(search), many, at_a_time=16)


async def making_and_reading(server: Server, meter: Meter, sizes: Sizes) -> None:
    """The thread that is read has a state."""
    thread_id = await server.create_thread()
    await server.run(thread_id, Work("echo"))
    few, many = sizes.requests
    make, read = partial(server.create_thread, {"group": "x"}), partial(server.read, thread_id)
    await meter.load("threads.create.c1", again(make), few)
    await meter.load("threads.create.c16", again(make), many, at_a_time=16)
    await meter.load("threads.get.c1", again(read), few)
    await meter.load("threads.get.c16", again(read), many, at_a_time=16)
