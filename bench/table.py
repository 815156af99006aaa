"""From the reports of several rounds to one table."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# By measure: what ``bench.samples.Sample.report`` tells.
Report = Mapping[str, Mapping[str, Any]]
# A figure of a measure, such as ("runs.echo.c1", "p50 ms"). One that ends in /s is the better the more.
Key = tuple[str, str]
# Begins the names of measures with two web processes. Others are compared with what they do with one.
TWO_WEBS = "2 web: "
# Above this many cores taken by others, a figure is not to be believed.
DISTURBED = 0.2


@dataclass(frozen=True)
class Figure:
    value: float
    errors: int = 0


def figures(report: Report, *, detail: bool = False) -> dict[Key, Figure]:
    """What of a report is shown. In detail, also p95 of all, and CPU in ms a call."""
    found: dict[Key, Figure] = {}
    for measure, row in report.items():
        for what, value in _values(measure, row, detail):
            found[measure, what] = Figure(value, row["errors"])
    return found


def _values(measure: str, row: Mapping[str, Any], detail: bool) -> Iterable[tuple[str, float]]:
    if not row["n"]:
        yield ("req/s" if measure.endswith(".c16") else f"p50 {row['unit']}"), math.nan
        return
    if row["unit"] in {"MiB", "KiB", "events/s"}:
        yield row["unit"], row["p50"]
    elif measure.endswith(".c16"):
        yield ("events/s" if measure.startswith("stream.") else "req/s"), row["rate"]
    else:
        yield "p50 ms", row["p50"]
    if measure.startswith("paced."):
        yield from ((f"{q} ms", row[q]) for q in ("p95", "p99"))
    elif detail and row["unit"] == "ms":
        yield "p95 ms", row["p95"]
    if detail:
        yield from ((f"{party} CPU ms", spent) for party, spent in row.get("cpu", {}).items())


def middle(rounds: Sequence[Report], *, detail: bool = False) -> dict[Key, Figure]:
    """The median of each figure over the rounds, and all their errors."""
    found: dict[Key, list[Figure]] = defaultdict(list)
    for report in rounds:
        for key, figure in figures(report, detail=detail).items():
            found[key].append(figure)
    return {
        key: Figure(_median([one.value for one in every]), sum(one.errors for one in every))
        for key, every in found.items()
    }


def _median(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.median(known) if known else math.nan


def ratio(ours: Figure | None, other: Figure | None) -> float | None:
    """Ours by the other's: of a time the less the better, of a rate the more."""
    if ours is None or other is None or not (ours.value > 0 and other.value > 0):
        return None
    return ours.value / other.value


def comparison(results: Mapping[str, Sequence[Report]], *, subject: str, detail: bool = False) -> str:
    """A column for the subject, and two for each of the others: its figure, and the subject's ratio to it."""
    columns = {name: middle(rounds, detail=detail) for name, rounds in results.items()}
    ours = columns.pop(subject, {})
    header = ["measure", "", subject]
    for name in columns:
        header += [name, f"÷ {name}"]
    rows = []
    for key in dict.fromkeys([*ours, *(key for column in columns.values() for key in column)]):
        row = [*key, cell(ours.get(key))]
        for column in columns.values():
            other = column.get((key[0].removeprefix(TWO_WEBS), key[1]))
            found = ratio(ours.get(key), other)
            row += [cell(other), "–" if found is None else f"{show(found)} ×"]
        rows.append(row)
    return markdown(header, rows)


def cell(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    errors = f" **{figure.errors} errors**" if figure.errors else ""
    return f"{'–' if math.isnan(figure.value) else show(figure.value)}{errors}"


def show(value: float) -> str:
    """Three digits that count, thousands with commas."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns are numbers, but for the first."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def disturbed(results: Mapping[str, Sequence[Report]]) -> list[str]:
    """Which measures other processes have disturbed, and how much: the most of all rounds, worst first."""
    worst: dict[str, float] = defaultdict(float)
    for name, rounds in results.items():
        for report in rounds:
            for measure, row in report.items():
                key = f"{measure} of {name}"
                worst[key] = max(worst[key], row.get("disturbance", 0.0))
    by_cores = sorted(worst.items(), key=lambda item: -item[1])
    return [f"{key} ({cores:.1f} cores)" for key, cores in by_cores if cores > DISTURBED]
