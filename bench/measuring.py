"""``python -m bench.measuring``: one round of measures of one contestant.

In a process of its own, so that what one contestant leaves in memory is no load on the next. Reads a Plan as
JSON from stdin and writes its measures as JSON to stdout.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson
import uvloop

from bench.measures import SECTIONS, Section
from bench.measures.threads import making_and_reading
from bench.meter import Meter
from bench.samples import Parties
from bench.sizes import SIZES
from bench.targets import Server, Target

# Not among the sections, for it is measured of this server alone.
ALL_SECTIONS: dict[str, Section] = SECTIONS | {"making_and_reading": making_and_reading}


class MeasuringFailed(Exception):
    """The message is what the process wrote last."""


@dataclass(frozen=True)
class Plan:
    """Without a ``url``, the floor is measured. ``pids`` are the processes of each party."""

    name: str
    url: str
    database_url: str
    token_mode: str
    sections: list[str]
    size: str
    pids: dict[str, list[int]]


def carry_out(plan: Plan) -> dict[str, Any]:
    """The measures by name, as ``Sample.report`` tells them, and ``failed``: sections with their errors.

    Progress goes to stderr. Raises MeasuringFailed.
    """
    process = subprocess.run(
        [sys.executable, "-m", "bench.measuring"],
        input=orjson.dumps(dataclasses.asdict(plan)),
        stdout=subprocess.PIPE,
        check=False,
    )
    if process.returncode:
        raise MeasuringFailed(f"measuring {plan.name} ended with status {process.returncode}")
    return dict(orjson.loads(process.stdout))


async def _measure(plan: Plan) -> dict[str, Any]:
    pids = plan.pids if plan.url else plan.pids | {"server": [os.getpid()]}
    meter = Meter(Parties(pids))
    failed: dict[str, str] = {}
    async with _target(plan) as target:
        for section in plan.sections:
            begun = time.monotonic()
            try:
                await ALL_SECTIONS[section](target, meter, SIZES[plan.size])
            except Exception as exc:  # the other sections still count
                failed[section] = f"{type(exc).__name__}: {exc}"
            outcome = f"failed: {failed[section]}" if section in failed else "done"
            took = time.monotonic() - begun
            print(f"  {plan.name}: {section} {outcome} ({took:.0f} s)", file=sys.stderr, flush=True)
    return {"measures": {name: s.report() for name, s in meter.samples.items()}, "failed": failed}


@asynccontextmanager
async def _target(plan: Plan) -> AsyncIterator[Target]:
    if plan.url:
        server = Server(plan.url, plan.token_mode)
        yield server
        server.close()
        return
    from bench import floor  # LangGraph is no load on the client of a server

    async with floor.opened(plan.database_url, plan.token_mode) as target:
        yield target


def main() -> None:
    plan = Plan(**orjson.loads(sys.stdin.buffer.read()))
    with (
        suppress(KeyboardInterrupt),  # who started this says that it was stopped
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        sys.stdout.buffer.write(orjson.dumps(runner.run(_measure(plan))))


if __name__ == "__main__":
    main()
