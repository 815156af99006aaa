"""Writes the table of differences into docs/compatibility.md: ``python -m tests.contract.page``."""

from __future__ import annotations

from pathlib import Path

from tests.contract.comparing import Difference
from tests.contract.differences import DIFFERENCES
from tests.contract.reasons import EVERYWHERE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
BEGIN = "<!-- made by `python -m tests.contract.page` from tests/contract/differences.py -->"
HEAD = "| here | why | seen in |\n|---|---|---|\n"


def made() -> str:
    return HEAD + "".join(map(_row, DIFFERENCES))


def _row(difference: Difference) -> str:
    places = "everywhere" if difference.where == EVERYWHERE else ", ".join(difference.places)
    return f"| {difference.here} | {difference.why} | {places} |\n"


def kept() -> str:
    """The page down to the table, which ends it."""
    return PAGE.read_text().partition(BEGIN)[0]


if __name__ == "__main__":
    PAGE.write_text(f"{kept()}{BEGIN}\n\n{made()}")
