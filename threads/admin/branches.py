"""The checkpoints of a timeline as a tree: each branch in a lane, drawn a row at a time.

A page needs of those before it only which checkpoints their lanes lead to: this comes along in the address,
so that of thousands of checkpoints no more are read than are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from threads.timeline import Step

# More branches at a time share the last lane.
MAX_LANES = 8
# So many ends of branches go from one page to the next.
MAX_OPEN = 40
# Where things are in a row.
GAP, MARGIN, DOT = 18, 12, 20


class Line(NamedTuple):
    """A line on its way down to a checkpoint."""

    lane: int
    checkpoint_id: str


class Row(NamedTuple):
    """A checkpoint's place. ``above``: lanes with a line from above. ``joining``: those that lead here."""

    lane: int
    above: frozenset[int]
    joining: frozenset[int]
    below: frozenset[int]


def parse(text: str) -> list[Line]:
    """What ``written`` has written; what it has not is left out."""
    found = []
    for part in text.split(",")[:MAX_OPEN]:
        lane, _, name = part.partition(".")
        try:
            line = Line(int(lane) if len(lane) == 1 else -1, str(UUID(name)))
        except ValueError:
            continue
        if 0 <= line.lane < MAX_LANES:
            found.append(line)
    return found


def written(lines: Iterable[Line]) -> str:
    return ",".join(f"{line.lane}.{line.checkpoint_id}" for line in list(lines)[:MAX_OPEN])


def rows(steps: Iterable[Step], lines: list[Line]) -> tuple[list[Row], list[Line]]:
    """The places of steps, newest first, below the lines from newer ones; and the lines that go on."""
    found, lines = [], list(lines)
    for step in steps:
        joining = [line for line in lines if line.checkpoint_id == step.checkpoint_id]
        above = frozenset(line.lane for line in lines)
        lane = joining[0].lane if joining else _free(above)
        lines = [line for line in lines if line not in joining]
        if step.parent_id is not None:
            lines.append(Line(lane, step.parent_id))
        below = frozenset(line.lane for line in lines)
        found.append(Row(lane, above, frozenset(line.lane for line in joining), below))
    return found, lines


def _free(taken: frozenset[int]) -> int:
    return next((lane for lane in range(MAX_LANES) if lane not in taken), MAX_LANES - 1)


def width(rows: Iterable[Row]) -> int:
    """In lanes."""
    return 1 + max((max({row.lane, *row.above, *row.below}) for row in rows), default=0)


def drawn(row: Row) -> SafeString:
    """The row's part of the tree, as high as the row: lines pass, or come together in the dot."""
    spans = [(lane, "0", "100%") for lane in sorted((row.above & row.below) - {row.lane})]
    spans += [(row.lane, "0", str(DOT))] if row.lane in row.above else []
    spans += [(row.lane, str(DOT), "100%")] if row.lane in row.below else []
    x = _x(row.lane)
    curves = [
        (lane, f"M{_x(lane)} 0C{_x(lane)} {DOT - 4} {x} 4 {x} {DOT}")
        for lane in sorted(row.joining - {row.lane})
    ]
    line = '<line class="console-lane-{0}" x1="{1}" y1="{2}" x2="{1}" y2="{3}"/>'
    return format_html(
        '<svg class="console-branches" aria-hidden="true">{}{}'
        '<circle class="console-lane-{}{}" cx="{}" cy="{}" r="5"/></svg>',
        format_html_join("", line, ((lane, _x(lane), top, bottom) for lane, top, bottom in spans)),
        format_html_join("", '<path class="console-lane-{}" d="{}"/>', curves),
        *(row.lane, "" if row.joining else " console-tip", x, DOT),
    )


def _x(lane: int) -> int:
    return MARGIN + lane * GAP
