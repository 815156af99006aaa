"""The log of a run, a page at a time. Events may be many and large: only their beginnings are read."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from django.db.models.functions import Left, Length

from runs.events import VOID
from runs.models import Run, RunEvent

PER_PAGE = 100
# Characters of an event's data.
SHOWN = 2000
# Among how many of the first events the modes are looked for.
MODES_AMONG = 5000
MAX_SEQ = 2**31 - 1


class Page(NamedTuple):
    """``events`` are dicts of seq, event, data, length and created_at; ``next`` is None on the last page."""

    events: list[dict[str, Any]]
    mode: str
    next: int | None


def page(run: Run, *, mode: str, after: str) -> Page:
    """The events of a mode, its subgraphs' too, behind a number; all events without a mode."""
    seq = min(int(after), MAX_SEQ) if after.isdecimal() else 0
    found = _log(run).filter(seq__gt=seq).order_by("seq")
    mode = mode.replace("\0", "")  # which Postgres refuses
    if mode:
        found = found.filter(
            Q(event=mode) | Q(event__startswith=f"{mode}|") | Q(event__startswith=f"{mode}/")
        )
    rows = found.annotate(text=Left("data", SHOWN), length=Length("data"))
    events: list[Any] = list(rows.values("seq", "event", "text", "length", "created_at")[: PER_PAGE + 1])
    more = len(events) > PER_PAGE
    return Page(events[:PER_PAGE], mode, events[PER_PAGE - 1]["seq"] if more else None)


def modes(run: Run) -> list[str]:
    """The stream modes that the log has, without namespaces."""
    first = _log(run).filter(seq__lte=MODES_AMONG).values_list("event", flat=True).distinct()
    return sorted({event.partition("|")[0].partition("/")[0] for event in first.order_by()})


def _log(run: Run) -> QuerySet[RunEvent]:
    return RunEvent.objects.filter(run=run).exclude(event=VOID)
