"""The command line: one script after the other, each on a database of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from bench import database
from bench.growth import costs, events, history, messages, processes, search, streams
from bench.growth.served import CallsFailed, Script
from bench.processes import DoesNotStart
from bench.targets import WrongAnswer
from skeino_site.embedded_postgres import EmbeddedPostgresError

SCRIPTS: dict[str, tuple[Script, str]] = {
    "search": (search.measure, "thread search with many threads, by metadata and values"),
    "history": (history.measure, "history of a thread with many checkpoints"),
    "messages": (messages.measure, "a run on a thread with many messages"),
    "events": (events.measure, "a log with many events, and pruning"),
    "streams": (streams.measure, "memory with many open idle streams"),
    "processes": (processes.measure, "two web and worker processes against one"),
    "costs": (costs.measure, "what a run, a node and an event take of CPU and disk"),
}


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    scripts = "\n".join(f"  {name:10} {what}" for name, (_, what) in SCRIPTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench.growth",
        description=f"Measure how costs grow, and print tables. Progress goes to stderr.\n\n{scripts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="what to measure; all without one")
    add("--threads", type=_numbers, default=[100_000, 1_000_000], metavar="N,N", help="for search")
    add("--checkpoints", type=_number(220), default=2000, metavar="N", help="for history")
    add("--messages", type=_number(10), default=2000, metavar="N", help="for messages")
    add("--events", type=_number(2000), default=5_000_000, metavar="N", help="for events")
    add("--streams", type=_number(4), default=1000, metavar="N", help="for streams")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.names if name not in SCRIPTS]:
        parser.error(f"{unknown[0]!r} is none of {', '.join(SCRIPTS)}")
    return options


def _number(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        digits = text.replace("_", "").replace(",", "")
        if not digits.isdecimal() or int(digits) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least}")
        return int(digits)

    return number


def _numbers(text: str) -> list[int]:
    found = [_number(1)(part) for part in text.split(",")]
    if found != sorted(set(found)):
        raise argparse.ArgumentTypeError(f"{text!r} does not grow")
    return found


def main() -> int:
    options = arguments()
    if len(options.names) != 1:  # each in a process of its own, whose memory it starts with
        rest = [argument for argument in sys.argv[1:] if argument not in SCRIPTS]
        names = options.names or [*SCRIPTS]
        commands = [[sys.executable, "-m", "bench.growth", name, *rest] for name in names]
        return max(subprocess.run(command, check=False).returncode for command in commands)
    script, what = SCRIPTS[options.names[0]]
    print(f"Measuring {what}", file=sys.stderr, flush=True)
    begun = time.monotonic()
    try:
        with database.running() as postgres:
            for part in script(postgres, options):
                print(f"{part}\n", flush=True)
    except (CallsFailed, DoesNotStart, EmbeddedPostgresError, WrongAnswer) as exc:
        print(f"{options.names[0]} was not measured: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"Measured for {(time.monotonic() - begun) / 60:.1f} minutes.", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
