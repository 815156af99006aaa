"""Which runs a command is about: those that are named, or those that meet its filters."""

from __future__ import annotations

import argparse
import re
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Q
from django.utils import timezone

from assistants.models import Assistant
from runs.models import Run
from runs.querysets import RunQuerySet
from runs.retention import smallest_id

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
FILTERS = ("status", "thread", "assistant", "older_than")


def add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", choices=Run.Status.values, help="runs with that status")
    parser.add_argument("--thread", type=_uuid, help="runs of the thread of that id")
    parser.add_argument("--assistant", help="runs of the assistant of that id, or of that graph's")
    parser.add_argument(
        "--older-than", type=duration, metavar="AGE", help="runs made longer ago: 90s, 15m, 2h, 3d, 1w"
    )


def duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smhdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is none of the kind of 90s, 15m, 2h, 3d and 1w")
    return timedelta(**{UNITS[found[2]]: float(found[1])})


def ago(age: timedelta) -> datetime:
    try:
        return timezone.now() - age
    except OverflowError as exc:
        raise CommandError("That is before the calendar begins.") from exc


def filtered(runs: RunQuerySet, options: dict[str, Any]) -> RunQuerySet:
    """Raises CommandError for an assistant that there is none of."""
    if options["status"]:
        runs = runs.filter(status=options["status"])
    if options["thread"]:
        runs = runs.filter(thread=options["thread"])
    if options["assistant"]:
        runs = runs.filter(assistant__in=_assistants(options["assistant"]))
    if options["older_than"]:
        runs = runs.filter(pk__lt=smallest_id(ago(options["older_than"])))
    return runs


def found(run_ids: Iterable[uuid.UUID]) -> list[Run]:
    """Raises CommandError for the first that there is none of."""
    runs = Run.objects.in_bulk(list(run_ids))
    for run_id in run_ids:
        if run_id not in runs:
            raise CommandError(f"There is no run {run_id}.")
    return [runs[run_id] for run_id in run_ids]


def _assistants(name: str) -> list[Assistant]:
    """Also of graphs that are not served any more."""
    try:
        meant = Q(pk=uuid.UUID(name))
    except ValueError:
        meant = Q(graph_id=name)
    assistants = list(Assistant.objects.filter(meant))
    if not assistants:
        raise CommandError(f"There is no assistant {name}.")
    return assistants


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is no id: a UUID") from exc


def add_ids(parser: argparse.ArgumentParser, *, count: str | None = None) -> None:
    parser.add_argument("ids", type=_uuid, nargs=count, metavar="RUN", help="a run's id")
