from __future__ import annotations

from typing import Any

import pytest

from bench import table
from bench.samples import Sample, quantiles


def row(p50: float, *, rate: float | None = None, errors: int = 0, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": "ms", "n": 1, "errors": errors, "p50": p50, "p95": p50, "p99": p50}
    return found | ({} if rate is None else {"rate": rate}) | more


def cells(text: str, measure: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {measure} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_ratio_is_ours_by_the_others() -> None:
    results = {"floor": [{"runs.c1": row(5.0)}], "ours": [{"runs.c1": row(12.5)}]}
    assert cells(table.comparison(results, subject="ours"), "runs.c1") == [
        "runs.c1",
        "p50 ms",
        "12.5",
        "5.00",
        "2.50 ×",
    ]


def test_what_is_called_sixteen_at_a_time_is_told_as_a_rate() -> None:
    results = {"ours": [{"runs.c16": row(300.0, rate=80.0)}], "floor": [{"runs.c16": row(90.0, rate=160.0)}]}
    assert cells(table.comparison(results, subject="ours"), "runs.c16")[1:] == [
        "req/s",
        "80.0",
        "160",
        "0.50 ×",
    ]


def test_of_several_rounds_the_middle_counts_and_every_error() -> None:
    rounds = [{"runs.c1": row(value, errors=1)} for value in (9.0, 1.0, 3.0)]
    assert table.middle(rounds) == {("runs.c1", "p50 ms"): table.Figure(3.0, errors=3)}
    assert cells(table.comparison({"ours": rounds}, subject="ours"), "runs.c1")[2] == "3.00 **3 errors**"


def test_two_web_processes_are_compared_with_others_that_have_one() -> None:
    name = "threads.create.c16"
    ours = [{name: row(1.0, rate=100.0)}, {f"{table.TWO_WEBS}{name}": row(1.0, rate=150.0)}]
    text = table.comparison({"ours": ours, "peer": [{name: row(1.0, rate=50.0)}]}, subject="ours")
    assert cells(text, name)[2:] == ["100", "50.0", "2.00 ×"]
    assert cells(text, f"{table.TWO_WEBS}{name}")[2:] == ["150", "50.0", "3.00 ×"]


def test_what_only_one_has_measured_has_no_ratio() -> None:
    results = {"floor": [{"runs.c1": row(5.0)}], "ours": [{"threads.c1": row(1.0)}]}
    text = table.comparison(results, subject="ours")
    assert cells(text, "threads.c1")[2:] == ["1.00", "–", "–"]
    assert cells(text, "runs.c1")[2:] == ["–", "5.00", "–"]


def test_a_measure_all_of_whose_calls_failed_shows_it() -> None:
    sample = Sample()
    sample.failed(ValueError("no"))
    text = table.comparison({"ours": [{"runs.c1": sample.report()}]}, subject="ours")
    assert cells(text, "runs.c1")[1:] == ["p50 ms", "– **1 errors**"]


def test_paced_streams_show_their_worst() -> None:
    report = {"paced.burst100.end_lag": row(1.0, p99=7.0)}
    assert [what for _, what in table.figures(report)] == ["p50 ms", "p95 ms", "p99 ms"]
    assert table.figures(report)["paced.burst100.end_lag", "p99 ms"].value == 7.0


def test_the_most_disturbed_measures_come_first() -> None:
    rounds = [{"a.c1": row(1.0, disturbance=0.1), "b.c1": row(1.0, disturbance=0.5)}]
    rounds.append({"a.c1": row(1.0, disturbance=0.9), "b.c1": row(1.0, disturbance=0.0)})
    assert table.disturbed({"ours": rounds}) == ["a.c1 of ours (0.9 cores)", "b.c1 of ours (0.5 cores)"]
    assert table.disturbed({"ours": [{"a.c1": row(1.0, disturbance=0.2)}]}) == []


@pytest.mark.parametrize(("value", "shown"), [(0.123, "0.12"), (12.34, "12.3"), (1234.5, "1,234")])
def test_three_digits_are_enough(value: float, shown: str) -> None:
    assert table.show(value) == shown


def test_quantiles_are_values_that_there_were() -> None:
    assert quantiles([3.0, 1.0, 2.0]) == {"p50": 2.0, "p95": 3.0, "p99": 3.0}
    assert quantiles([*map(float, range(100))]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert quantiles([]) == {}
