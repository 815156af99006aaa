from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.verdict import Verdict

# `make faults` runs the suite at full length; `make test` in short.
FULL = os.environ.get("FAULTS") == "full"

_figures: dict[str, dict[str, int]] = {}


@pytest.fixture
def scale() -> Callable[[int, int], int]:
    """The first number in short, the second at full length."""
    return lambda short, full: full if FULL else short


@pytest.fixture
def verdict(fresh_database: Callable[[], str], tmp_path: Path) -> Verdict:
    return Verdict(fresh_database(), tmp_path / "book")


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[dict[str, int]]:
    """What the test fills in is a row of the table in docs/reliability.md."""
    found: dict[str, int] = {}
    yield found
    _figures[request.node.name] = found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, found in _figures.items():
        terminalreporter.write_line(f"{name}: {found}")
