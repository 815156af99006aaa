"""When the nodes of a run began and ended, as far as its log or its checkpoints tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q
from django.db.models.functions import Left
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from runs.models import Run, RunEvent
from threads import timeline
from threads.models import Thread

MAX_BARS = 200
# Among how many of the first events tasks are looked for, and how many of theirs are read.
AMONG = 20_000
MAX_EVENTS = 4 * MAX_BARS
# The beginning of an event says which task it is about: what it took or wrote comes later, and may be large.
BEGINNING = 600

STRING = r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-f]{4})*"'
TASK = rf'\{{"id":({STRING}),"name":({STRING}),"(input|error)":(null)?'
DEBUG = rf'\{{"step":-?\d+,"timestamp":({STRING}),"type":"task(?:_result)?","payload":'
SAID = re.compile(rf"^(?:{DEBUG})?{TASK}")

LOG, CHECKPOINTS = "log", "checkpoints"


@dataclass(frozen=True)
class Bar:
    """A task, or the nodes of a superstep. ``depth``: in how many subgraphs. Without ``ended`` it did not."""

    name: str
    depth: int
    begun: datetime
    ended: datetime | None = None
    failed: bool = False


class Waterfall(NamedTuple):
    """``source`` says where the times come from: LOG, CHECKPOINTS, or "" where there are none."""

    bars: list[Bar]
    source: str
    is_cut: bool = False


def of(run: Run) -> Waterfall:
    bars = _of_tasks(_said(run))
    if bars:
        return Waterfall(bars[:MAX_BARS], LOG, len(bars) > MAX_BARS)
    bars = _of_supersteps(run)
    return Waterfall(bars[:MAX_BARS], CHECKPOINTS if bars else "", len(bars) > MAX_BARS)


def drawn(run: Run, bars: list[Bar]) -> list[dict[str, Any]]:
    """The bars for a table, on one scale: from the beginning of the first to the end of the last."""
    if not bars:
        return []
    now = run.finished_at if run.is_finished and run.finished_at else timezone.now()
    first = min(bar.begun for bar in bars)
    ends = [max(bar.ended or now, bar.begun) for bar in bars]
    whole = max((max(ends) - first).total_seconds(), 0.001)
    rows = []
    for bar, end in zip(bars, ends, strict=True):
        after, took = (bar.begun - first).total_seconds(), (end - bar.begun).total_seconds()
        open_end = "interrupted" if run.is_finished else "running"
        kind = "error" if bar.failed else "success" if bar.ended else open_end
        rect = _rect(kind, 1000 * after / whole, 1000 * took / whole)
        rows.append({"bar": bar, "indent": range(bar.depth), "rect": rect, "after": after, "took": took})
    return rows


def _rect(kind: str, x: float, width: float) -> SafeString:
    wide = max(width, 4)  # to be seen
    return format_html(
        '<svg class="console-waterfall" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="console-{}" x="{}" width="{}" height="10" rx="2"/></svg>',
        *(kind, f"{min(x, 1000 - wide):.1f}", f"{wide:.1f}"),
    )


def _said(run: Run) -> list[tuple[str, str, datetime]]:
    """Names, beginnings and times of the events that tell of tasks, and of attempts."""
    named = Q(event="metadata")
    for mode in ("tasks", "debug"):
        named |= Q(event=mode) | Q(event__startswith=f"{mode}|")
    found = RunEvent.objects.filter(named, run=run, seq__lte=AMONG).order_by("seq")
    rows = found.annotate(text=Left("data", BEGINNING)).values_list("event", "text", "created_at")
    return list(rows[:MAX_EVENTS])


def _of_tasks(said: Iterable[tuple[str, str, datetime]]) -> list[Bar]:
    """A bar for each task, in the order in which they began. Mode ``debug`` knows the times to the point."""
    bars: dict[str, Bar] = {}
    for event, text, logged_at in said:
        mode, *namespace = event.split("|")
        if mode == "metadata":  # another attempt: what has not ended, will not
            bars = {f"{key} before": _over(bar, logged_at) for key, bar in bars.items()}
            continue
        found = SAID.match(text)
        if found is None:
            continue
        stamp, key, name, kind, is_null = found.groups()
        at = parse_datetime(json.loads(stamp)) if stamp else None
        if kind == "input":
            bar = Bar(json.loads(name), len(namespace), at or logged_at)
            bars[key] = bar if key not in bars else replace(bars[key], begun=min(bars[key].begun, bar.begun))
        elif key in bars:
            ended = min(filter(None, (bars[key].ended, at or logged_at)))
            bars[key] = replace(bars[key], ended=ended, failed=not is_null)
    return list(bars.values())


def _over(bar: Bar, at: datetime) -> Bar:
    return bar if bar.ended else replace(bar, ended=at, failed=True)


def _of_supersteps(run: Run) -> list[Bar]:
    """A bar for each superstep: from the checkpoint before it to its own."""
    if run.started_at is None:
        return []
    ended = run.finished_at or timezone.now()
    thread: Thread = run.thread
    steps = timeline.of_run(thread, run.pk, run.created_at, ended, MAX_BARS + 2)
    # Of a run that was tried again, it is the latest attempt that began then.
    bars, begun = [], run.started_at if run.attempt <= 1 else run.created_at
    for step in steps:
        if step.at is None:
            continue
        if step.nodes:
            bars.append(Bar(", ".join(step.nodes), 0, begun, step.at))
        begun = step.at
    if run.status != Run.Status.SUCCESS and len(steps) < MAX_BARS + 2:
        failed = run.status in (Run.Status.ERROR, Run.Status.TIMEOUT)
        after = gettext("after the last checkpoint")
        bars.append(Bar(after, 0, begun, ended if run.is_finished else None, failed))
    return bars
