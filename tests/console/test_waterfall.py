from __future__ import annotations

import re
from datetime import datetime, timedelta

import orjson
import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from runs.admin import waterfall
from runs.models import Run, RunEvent
from tests.console.pages import SCRIPT, log_in_staff, make_run, page, url
from tests.threads.running import execute, human
from threads import timeline
from threads.models import Thread

pytestmark = pytest.mark.django_db

BEGUN = datetime.fromisoformat("2026-11-22T10:00:00+00:00")


def at(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


def task(key: str, name: str, *, ended: bool = False, error: object = None, **more: object) -> str:
    said = (
        {"error": error, "result": {}, "interrupts": []} if ended else {"input": {"x": "y"}, "triggers": []}
    )
    return orjson.dumps({"id": key, "name": name, **said, **more}).decode()


def debug(seconds: float, payload: str, *, ended: bool = False) -> str:
    kind = "task_result" if ended else "task"
    return f'{{"step":1,"timestamp":"{at(seconds).isoformat()}","type":"{kind}","payload":{payload}}}'


def log(run: Run, *events: tuple[float, str, str]) -> None:
    RunEvent.objects.bulk_create(
        RunEvent(run=run, seq=seq, event=event, data=data, created_at=at(seconds))
        for seq, (seconds, event, data) in enumerate(events, 1)
    )


@pytest.fixture
def run(thread: Thread) -> Run:
    return make_run(thread, created_at=at(0), started_at=at(0), finished_at=at(10))


def bars(run: Run) -> list[tuple[str, int, float, float | None, bool]]:
    """Names, depths, beginnings and ends in seconds, and whether they failed."""
    found = waterfall.of(run).bars
    return [
        (
            b.name,
            b.depth,
            (b.begun - BEGUN).total_seconds(),
            None if b.ended is None else (b.ended - BEGUN).total_seconds(),
            b.failed,
        )
        for b in found
    ]


# From the log


def test_tasks_begin_and_end(run: Run) -> None:
    log(
        run,
        (1, "tasks", task("1", "left")),
        (1, "tasks", task("2", "right")),
        (2, "tasks|child:1", task("3", "inner")),
        (3, "tasks|child:1", task("3", "inner", ended=True)),
        (4, "tasks", task("2", "right", ended=True, error={"error": "ValueError"})),
        (5, "tasks", task("1", "left", ended=True)),
    )
    assert bars(run) == [
        ("left", 0, 1, 5, False),
        ("right", 0, 1, 4, True),
        ("inner", 1, 2, 3, False),
    ]


def test_debug_knows_better_when(run: Run) -> None:
    log(
        run,
        (2, "tasks", task("1", "node")),
        (2, "debug", debug(1, task("1", "node"))),
        (9, "tasks", task("1", "node", ended=True)),
        (9, "debug", debug(8, task("1", "node", ended=True), ended=True)),
        (9, "debug", '{"step":1,"timestamp":"x","type":"checkpoint","payload":{}}'),
    )
    assert bars(run) == [("node", 0, 1, 8, False)]


def test_what_an_attempt_has_not_ended_is_failed_and_tried_again(run: Run) -> None:
    log(
        run,
        (0, "metadata", "{}"),
        (1, "tasks", task("1", "node")),
        (3, "metadata", "{}"),
        (4, "tasks", task("1", "node")),
        (5, "tasks", task("1", "node", ended=True)),
    )
    assert bars(run) == [("node", 0, 1, 3, True), ("node", 0, 4, 5, False)]


ODD_NAME = '{"id":"1","name":"\\x","input":1}'


@pytest.mark.parametrize(
    "data", [ODD_NAME, "null", "[]", '{"id":1}', '{"id":"1","name":"x"', "", '"' + "\\" * 999]
)
def test_odd_events_are_passed_over(run: Run, data: str) -> None:
    log(run, (1, "tasks", data), (1, "debug", data), (2, "tasks", task("1", SCRIPT)))
    assert [bar[0] for bar in bars(run)] == [SCRIPT]


def test_many_tasks_are_cut_and_large_ones_not_read(
    admin_client: Client, run: Run, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    log(run, *((n / 100, "tasks", task(str(n), "node", input={"x": "y" * 10_000})) for n in range(500)))
    with django_assert_max_num_queries(6):
        content = page(admin_client, url(run, "times", run.pk))
    assert content.count("<rect") == waterfall.MAX_BARS
    assert f"first {waterfall.MAX_BARS}" in content
    assert "y" * 1000 not in content


def test_what_a_run_has_left_open_is_seen(run: Run) -> None:
    open_bar = [waterfall.Bar("a", 0, at(0))]
    assert "console-interrupted" in waterfall.drawn(run, open_bar)[0]["rect"]
    run.status = "running"
    assert "console-running" in waterfall.drawn(run, open_bar)[0]["rect"]


# From checkpoints


def test_ids_begin_with_the_time_of_their_making(thread: Thread) -> None:
    before = timezone.now()
    execute(thread, "echo", human("hi"))
    after = timezone.now()
    ids = [step.checkpoint_id for step in timeline.steps(thread)[0]]
    assert timeline._first_id(before) <= min(ids)
    assert max(ids) <= timeline._first_id(after + timedelta(milliseconds=1))


def test_a_run_that_never_began_has_no_times(admin_client: Client, thread: Thread) -> None:
    run = make_run(thread, "pending")
    assert "Neither" in page(admin_client, url(run, "times", run.pk))


# The page


def test_bars_are_on_one_scale(run: Run) -> None:
    found = [
        waterfall.Bar("a", 0, at(0), at(5)),
        waterfall.Bar("b", 0, at(5)),
        waterfall.Bar("c", 0, at(9), at(8)),
    ]
    rects = [str(row["rect"]) for row in waterfall.drawn(run, found)]
    places = [re.search(r'x="([\d.]+)" width="([\d.]+)"', rect).groups() for rect in rects]  # type: ignore[union-attr]
    assert places == [("0.0", "500.0"), ("500.0", "500.0"), ("900.0", "4.0")]
    assert waterfall.drawn(run, []) == []


def test_times_are_for_all_who_may_see_the_run_and_escaped(client: Client, run: Run) -> None:
    log(run, (1, "tasks", task("1", SCRIPT)))
    assert client.get(url(run, "times", run.pk)).status_code == 302
    log_in_staff(client, "runs.view_run")
    content = page(client, url(run, "times", run.pk))
    assert SCRIPT not in content
    assert "&lt;script&gt;" in content
    assert url(run, "times", run.pk) in page(client, url(run, "change", run.pk))
