"""``manage.py runs``: what runs there are, and what can be done to them when nobody is at the API."""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.utils import timezone
from rest_framework.exceptions import APIException

from runs.conf import conf
from runs.management.choice import FILTERS, add_filters, add_ids, ago, duration, filtered, found
from runs.models import Run, RunEvent
from runs.querysets import RunQuerySet
from runs.serializers import RunSerializer
from threads.encoding import encode

ROW = "{:36}  {:11}  {:>7}  {:19}  {:>9}  {:36}  {}"


class Command(BaseCommand):
    help = "Look after runs. `manage.py runs VERB --help` tells what each verb takes."
    requires_system_checks: list[str] = []  # it may be needed when something is wrong

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

        listing = verbs.add_parser("list", help="show runs, the newest first")
        add_filters(listing)
        listing.add_argument("--limit", type=int, default=50, help="how many at most (50)")
        listing.add_argument("--json", action="store_true", help="as the API shows them")

        showing = verbs.add_parser("show", help="show one run")
        add_ids(showing)
        showing.add_argument("--json", action="store_true", help="as the API shows it")

        cancelling = verbs.add_parser("cancel", help="stop runs that wait or execute")
        _add_choice(cancelling)
        cancelling.add_argument(
            "--action",
            choices=Run.CancelAction.values,
            default=Run.CancelAction.INTERRUPT.value,
            help="interrupt (now), drain (at the end of the current step), rollback (and delete it)",
        )
        _add_choice(verbs.add_parser("retry", help="queue runs again that did not go well"))
        verbs.add_parser("recover", help="queue runs again that have no job, as workers do each minute")

        pruning = verbs.add_parser("prune", help="delete old logs and runs, as workers do each minute")
        pruning.add_argument(
            "--older-than", type=duration, metavar="AGE", help="ended longer ago; else what the settings say"
        )
        pruning.add_argument("--logs", action="store_true", help="with --older-than: only the logs")
        pruning.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"do_{options['verb']}")(options)
        except (OperationalError, InterfaceError, ProgrammingError) as exc:
            raise CommandError(f"The database cannot be used: {str(exc).splitlines()[0]}") from exc

    def do_list(self, options: dict[str, Any]) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit must be 1 or more.")
        runs = filtered(Run.objects.all(), options).select_related("assistant").order_by("-pk")
        page = runs[: options["limit"]]
        if options["json"]:
            self.stdout.write(encode(RunSerializer(page, many=True).data))
            return
        self.stdout.write(ROW.format("run", "status", "attempt", "created", "lasted", "thread", "assistant"))
        for run in page:
            self.stdout.write(_row(run))

    def do_show(self, options: dict[str, Any]) -> None:
        [run] = found([options["ids"]])
        shown = dict(RunSerializer(run).data)
        if options["json"]:
            self.stdout.write(encode(shown))
            return
        shown |= {"started_at": run.started_at, "finished_at": run.finished_at}
        shown["events"] = RunEvent.objects.filter(run=run).count()
        for key, value in shown.items():
            self.stdout.write(f"{key:20} {value if isinstance(value, str) else encode(value)}")

    def do_cancel(self, options: dict[str, Any]) -> None:
        action = Run.CancelAction(options["action"])

        def cancel(run: Run) -> str:
            return "" if run.cancel(action) else "has ended already"

        self._do_each(self._choose(Run.objects.active(), options), cancel, "cancelled")

    def do_retry(self, options: dict[str, Any]) -> None:
        def retry(run: Run) -> str:
            run.retry()
            return ""

        runs = self._choose(Run.objects.filter(status__in=Run.RETRYABLE), options)
        self._do_each(runs, retry, "queued again")

    def do_recover(self, options: dict[str, Any]) -> None:
        self.stdout.write(f"{Run.objects.recover():,} runs and threads were stuck; they are not any more.")

    def do_prune(self, options: dict[str, Any]) -> None:
        logs = runs = options["older_than"]
        if logs is None:
            if options["logs"]:
                raise CommandError("--logs goes with --older-than.")
            hours, days = conf.SKEINO_EVENT_RETENTION_HOURS, conf.SKEINO_RUN_RETENTION_DAYS
            logs, runs = hours and timedelta(hours=hours), days and timedelta(days=days)
        else:
            what = "logs of runs" if options["logs"] else "runs"
            self._ask(f"Delete all {what} that ended before {ago(logs):%Y-%m-%d %H:%M} UTC", options)
        if logs:
            count = RunEvent.objects.prune(ago(logs), progress=Progress(self, "events"))
            self.stdout.write(f"{count:,} events deleted.")
        if runs and not options["logs"]:
            count = Run.objects.prune(ago(runs), progress=Progress(self, "runs"))
            self.stdout.write(f"{count:,} runs deleted.")

    def _choose(self, eligible: RunQuerySet, options: dict[str, Any]) -> list[uuid.UUID]:
        """The ids of those that are named, whatever their state, or of the eligible that meet the filters."""
        ids, by_filter = options["ids"], any(options[name] for name in FILTERS)
        if bool(ids) == by_filter:
            raise CommandError("Name runs by their ids, or choose them by filters.")
        if ids:
            return [run.pk for run in found(ids)]
        chosen = list(filtered(eligible, options).order_by("pk").values_list("pk", flat=True))
        if chosen:
            self._ask(f"{options['verb'].capitalize()} {len(chosen):,} runs", options)
        return chosen

    def _do_each(self, run_ids: list[uuid.UUID], verb: Callable[[Run], str], done: str) -> None:
        """Do it to each, whatever becomes of the others. Raises CommandError if it failed for any."""
        progress, refused = Progress(self, f"of {len(run_ids):,} runs"), 0
        for count, run_id in enumerate(run_ids, 1):
            try:
                refusal = verb(Run.objects.find(run_id))
            except APIException as exc:  # it is gone, or its state is another one by now
                refusal = str(exc.detail)
            self.stdout.write(f"{run_id} {refusal or done}")
            refused += bool(refusal)
            progress(count)
        if refused:
            raise CommandError(f"{refused:,} of {len(run_ids):,} runs could not be {done}.")
        if not run_ids:
            self.stdout.write("There are none.")

    def _ask(self, question: str, options: dict[str, Any]) -> None:
        if options["yes"]:
            return
        if not sys.stdin.isatty():
            raise CommandError(f"{question}? Say --yes.")
        if input(f"{question}? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was done.")


class Progress:
    """Says how far long work has come: on standard error, for the other is for results."""

    seconds = 1.0  # between two lines

    def __init__(self, command: BaseCommand, what: str) -> None:
        self._command, self._what = command, what
        self._said_at = time.monotonic()

    def __call__(self, count: int) -> None:
        if time.monotonic() - self._said_at >= self.seconds:
            self._said_at = time.monotonic()
            self._command.stderr.write(f"{count:,} {self._what} …", self._command.style.NOTICE)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    add_ids(parser, count="*")
    add_filters(parser)
    parser.add_argument("--yes", action="store_true", help="with filters: do not ask")


def _row(run: Run) -> str:
    lasted = (run.finished_at or timezone.now()) - run.started_at if run.started_at else None
    return ROW.format(
        str(run.pk),
        run.status,
        run.attempt,
        f"{run.created_at:%Y-%m-%d %H:%M:%S}",
        "" if lasted is None else f"{lasted.total_seconds():.1f}s",
        str(run.thread_id),
        run.assistant.name,
    )
