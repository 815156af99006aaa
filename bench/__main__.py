"""The command line: measure all contestants in turn, round by round, and print one table."""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from bench import database, peers, table
from bench.contestants import CannotTakePart, Contestant, nothing_started, this_server
from bench.measures import SECTIONS, SERVED
from bench.measuring import MeasuringFailed, Plan, carry_out
from bench.processes import DoesNotStart
from skeino_site.embedded_postgres import EmbeddedPostgresError

FLOOR, SUBJECT = "floor-pg", "skeino-django"
DESCRIPTION = """
Measure this server, and the same graphs without any, in turn on one Postgres, and print a table with the
ratios. Only ratios of one run carry over to other machines. Progress goes to stderr, the table to stdout.
"""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=DESCRIPTION)
    add = parser.add_argument
    add("--quick", action="store_true", help="one round of fewer calls, for a look: a few minutes")
    add("--only", type=_sections, default=[*SECTIONS], metavar="SECTIONS", help=f"of {','.join(SECTIONS)}")
    add("--rounds", type=_positive, help="each with fresh servers and databases (3, or 1 with --quick)")
    add("--peer", action="append", choices=[*peers.PEERS], default=[], help="measure it too; repeat for more")
    add("--token-mode", choices=["messages", "custom"], default="messages", help=TOKEN_MODE_HELP)
    add("--detail", action="store_true", help="show p95 and CPU, too")
    add("--json", type=Path, metavar="FILE", help="write all that was measured to this file")
    add("--tiny", action="store_true", help=argparse.SUPPRESS)  # for the tests
    return parser.parse_args(argv)


TOKEN_MODE_HELP = "as what tokens are streamed: custom is without a chat model, for servers' own cost"


def _sections(text: str) -> list[str]:
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(SECTIONS)}")
    return wanted


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def contestants(names: Sequence[str]) -> list[Contestant]:
    """Those to measure, in order."""
    everything = {name: name for name in SECTIONS}
    unserved = {name: name for name in SECTIONS if name not in SERVED}
    two_webs = partial(this_server, webs=2)
    return [
        Contestant(FLOOR, unserved, nothing_started),
        Contestant(SUBJECT, everything, this_server),
        Contestant(SUBJECT, {"threads": "making_and_reading"}, two_webs, prefix=table.TWO_WEBS),
        *(peers.contestant(name, everything) for name in names),
    ]


class Session:
    """One run of the benchmark. ``results`` are the reports of each contestant's rounds."""

    def __init__(self, options: argparse.Namespace, postgres: database.Postgres) -> None:
        self._options, self._postgres = options, postgres
        self.results: dict[str, list[table.Report]] = defaultdict(list)
        self.failures: list[str] = []

    def measure(self, everybody: Sequence[Contestant], rounds: int) -> None:
        """All of a round before the next, so that what changes on the machine meets all alike."""
        able = [contestant for contestant in everybody if self._is_able(contestant)]
        for number in range(1, rounds + 1):
            for contestant in able:
                _say(f"Round {number} of {rounds}: {contestant.title}")
                try:
                    self._measure_one(contestant)
                except (DoesNotStart, MeasuringFailed) as exc:
                    self._failed(f"{contestant.title}, round {number}: {exc}")

    def _is_able(self, contestant: Contestant) -> bool:
        if not contestant.sections.keys() & set(self._options.only):
            return False
        try:
            contestant.prepare()
        except CannotTakePart as exc:
            self._failed(f"{contestant.title} takes no part: {exc}")
            return False
        return True

    def _measure_one(self, contestant: Contestant) -> None:
        custom = self._options.token_mode == "custom"
        sections = [contestant.sections[name] for name in self._options.only if name in contestant.sections]
        size = "tiny" if self._options.tiny else "quick" if self._options.quick else "full"
        with self._postgres.fresh_database() as url, contestant.running(url) as endpoint:
            plan = Plan(
                name=contestant.title,
                url=endpoint.url,
                database_url=url,
                token_mode="custom" if custom else contestant.token_mode,
                sections=sections,
                size=size,
                pids={"server": [*endpoint.processes.values()], "db": [self._postgres.pid]},
            )
            found = carry_out(plan)
        measures = found["measures"].items()
        self.results[contestant.name].append({f"{contestant.prefix}{name}": row for name, row in measures})
        for section, error in found["failed"].items():
            self._failed(f"{contestant.title}, {section}: {error}")

    def _failed(self, line: str) -> None:
        _say(line)
        self.failures.append(line)

    def report(self) -> str:
        lines = [table.comparison(self.results, subject=SUBJECT, detail=self._options.detail), ""]
        first = {
            f"{name}, {measure}: {row['first_error']}": None
            for name, rounds in self.results.items()
            for report in rounds
            for measure, row in report.items()
            if "first_error" in row
        }
        lines += [f"Not measured: {line}" for line in self.failures]
        lines += [f"First error of {line}" for line in first]
        if disturbed := table.disturbed(self.results):
            lines.append(f"Other processes disturbed {len(disturbed)} measures: {', '.join(disturbed[:3])} …")
        return "\n".join(lines)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    options = arguments()
    begun = time.monotonic()
    try:
        with database.running() as postgres:
            session = Session(options, postgres)
            small = options.quick or options.tiny
            session.measure(contestants(options.peer), options.rounds or (1 if small else 3))
    except EmbeddedPostgresError as exc:
        _say(str(exc))
        return 1
    except KeyboardInterrupt:
        _say("Stopped.")
        return 130
    _say(f"Measured for {(time.monotonic() - begun) / 60:.1f} minutes.")
    print(session.report())
    if options.json:
        options.json.write_bytes(orjson.dumps(_everything(options, session), option=orjson.OPT_INDENT_2))
    return 1 if session.failures else 0


def _everything(options: argparse.Namespace, session: Session) -> dict[str, Any]:
    asked = {name: value for name, value in vars(options).items() if name != "json"}
    return {
        "at": datetime.now().astimezone(),
        "options": asked,
        "failures": session.failures,
        "results": session.results,
    }


if __name__ == "__main__":
    sys.exit(main())
