from __future__ import annotations

import argparse
from collections.abc import Iterator

from bench import table
from bench.database import Postgres
from bench.growth.served import served
from bench.measures import runs, steps, stream
from bench.measures.threads import making_and_reading
from bench.meter import Meter
from bench.sizes import SIZES
from bench.targets import Server

NUMBERS = ((1, 1), (2, 1), (1, 2), (2, 2))


def measure(postgres: Postgres, options: argparse.Namespace) -> Iterator[str]:
    """The rates at 16, with one and two processes of each kind."""
    columns: dict[str, table.Report] = {}
    for webs, workers in NUMBERS:
        with served(postgres, webs=webs, workers=workers) as server:
            columns[f"{webs} web, {workers} worker"] = server.play(_measure_all)
    rows = []
    for measure in next(iter(columns.values())):
        if measure.endswith(".c16"):
            figures = [table.figures({measure: column[measure]}) for column in columns.values()]
            (_, what), first = next(iter(figures[0].items()))
            every = [figure[measure, what] for figure in figures]
            ratios = [table.ratio(figure, first) for figure in every]
            cells = [
                f"{table.cell(figure)} ({table.show(ratio or 0)} ×)"
                for figure, ratio in zip(every, ratios, strict=True)
            ]
            rows.append([measure, what, *cells])
    yield table.markdown(["measure", "", *columns], rows)


async def _measure_all(server: Server, meter: Meter) -> table.Report:
    sizes = SIZES["quick"]
    for section in (making_and_reading, runs.measure, stream.measure, steps.measure):
        await section(server, meter, sizes)
    return {name: sample.report() for name, sample in meter.samples.items()}
