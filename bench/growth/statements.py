"""What statements a request makes, and how Postgres executes them: as told by its log."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.database import LOG, Postgres

PREFIX: LiteralString = "%m [%p] %d "
ENTRY = re.compile(r"^[\d-]+ [\d:.]+ \w+ \[\d+\] (\S*) (\w+):  ", re.M)
QUERY = re.compile(r"(?:statement|execute [^:]+): (\s*(?:WITH|SELECT|DELETE|UPDATE|INSERT).*)", re.S | re.I)
PARAMETER = re.compile(r"\$(\d+) = ('(?:[^']|'')*'|NULL)")
# For the processes of Postgres to hear of a setting, and to write what they log.
SETTLE_SECONDS = 0.5


@dataclass(frozen=True)
class Plan:
    """How a statement was executed. ``removed`` are rows that were read and did not match."""

    ms: float
    nodes: list[str]
    removed: int

    def __str__(self) -> str:
        removed = f", {self.removed:,} rows read in vain" if self.removed else ""
        return f"{' ← '.join(self.nodes)} ({self.ms:.1f} ms{removed})"


class Statements:
    """Those of the block, with their parameters in place."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self.all: list[str] = []

    def plan(self, about: str) -> Plan | None:
        """Of the slowest that has these words; None without one. It is executed again, and rolled back."""
        plans = [self._explain(statement) for statement in dict.fromkeys(self.all) if about in statement]
        return max(plans, key=lambda plan: plan.ms, default=None)

    def _explain(self, statement: Any) -> Plan:
        with psycopg.connect(self._database_url) as connection:
            explain: Any = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
            row = connection.execute(explain).fetchone()
            connection.rollback()
        assert row
        found = row[0][0]
        nodes = list(_nodes(found["Plan"]))
        removed = sum(int(node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in nodes)
        return Plan(found["Execution Time"], [_label(node) for node in nodes], removed)


@contextmanager
def listened_to(postgres: Postgres, database_url: str) -> Iterator[Statements]:
    """All queries of the database that are executed within the block, by whichever process."""
    statements = Statements(database_url)
    _set(postgres, f"ALTER SYSTEM SET log_line_prefix = '{PREFIX}'", "ALTER SYSTEM SET log_statement = 'all'")
    begun = LOG.stat().st_size
    try:
        yield statements
        time.sleep(SETTLE_SECONDS)
    finally:
        _set(postgres, "ALTER SYSTEM RESET log_statement", "ALTER SYSTEM RESET log_line_prefix")
    with LOG.open("rb") as log:
        log.seek(begun)
        database = conninfo_to_dict(database_url)["dbname"]
        statements.all += statements_in(log.read().decode(errors="replace"), str(database))


def _set(postgres: Postgres, *statements: LiteralString) -> None:
    with psycopg.connect(postgres.address.url(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.execute("SELECT pg_reload_conf()")
    time.sleep(SETTLE_SECONDS)


def statements_in(log: str, database: str) -> Iterator[str]:
    """The queries of that database. One is an entry, its parameters are the next."""
    _, *parts = ENTRY.split(log)
    entries = list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))
    for (where, kind, text), following in zip(entries, [*entries[1:], ("", "", "")], strict=True):
        found = QUERY.match(text)
        if (where, kind) != (database, "LOG") or not found:
            continue
        detail = following[2] if following[:2] == (database, "DETAIL") else ""
        values = dict(PARAMETER.findall(detail.replace("\n\t", "\n")))
        statement = found[1].replace("\n\t", "\n").strip()
        yield re.sub(r"\$(\d+)", lambda place, values=values: values.get(place[1], place[0]), statement)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _label(node: dict[str, Any]) -> str:
    where = node.get("Index Name") or node.get("Relation Name") or node.get("CTE Name")
    return f"{node['Node Type']} {where}" if where else str(node["Node Type"])
