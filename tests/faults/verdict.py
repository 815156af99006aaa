"""What must hold after any fault, read from the database and from the book that the nodes kept."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from pathlib import Path

import psycopg

from tests.faults.graphs import STEPS

ACTIVE = "SELECT count(*) FROM runs_run WHERE status IN ('pending', 'running')"
STATUSES = "SELECT status, count(*) FROM runs_run GROUP BY status"
BUSY = "SELECT count(*) FROM threads_thread WHERE status <> 'idle'"
GAPS = """
SELECT run_id FROM runs_runevent GROUP BY run_id
HAVING count(*) <> max(seq) OR min(seq) <> 1 OR count(*) FILTER (WHERE event = 'end') <> 1
"""
ORPHANS = """
SELECT (SELECT count(*) FROM checkpoints WHERE thread_id::uuid NOT IN (SELECT id FROM threads_thread))
    + (SELECT count(*) FROM checkpoint_writes WHERE thread_id::uuid NOT IN (SELECT id FROM threads_thread))
    + (SELECT count(*) FROM checkpoint_blobs WHERE thread_id::uuid NOT IN (SELECT id FROM threads_thread))
    + (SELECT count(*) FROM runs_runevent e WHERE NOT EXISTS (SELECT 1 FROM runs_run WHERE id = e.run_id))
"""
JOBS = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'runs.execute'"
# Threads whose runs have not done every step once, in order.
WRONG = "SELECT id, values FROM threads_thread t WHERE values -> 'done' IS DISTINCT FROM %s::jsonb"
# A step whose writes are kept: its task's path ends in its name.
KEPT = """
SELECT r.id, r.attempt, w.task_path FROM checkpoint_writes w
JOIN runs_run r ON r.thread_id = w.thread_id::uuid AND r.status IN ('pending', 'running')
WHERE w.idx >= 0
"""
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


class Verdict:
    """``kept`` collects, at each fault, which steps were finished, and in which attempt at the latest."""

    def __init__(self, database_url: str, book: Path) -> None:
        self.url, self.book = database_url, book
        self._kept: dict[tuple[str, str], int] = {}
        self.faults = 0

    def rows(self, query: str, parameters: list[object] | None = None) -> list[tuple]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query, parameters).fetchall()

    def one(self, query: str) -> int:
        return int(self.rows(query)[0][0])

    def note_fault(self) -> None:
        """A worker was lost. What its nodes have finished by now must not be begun by another."""
        self.faults += 1
        for run_id, attempt, path in self.rows(KEPT):
            step = path.rpartition(", ")[2].strip("'\" )")
            if step in STEPS:
                self._kept.setdefault((str(run_id), step), attempt)

    async def all_ended(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while left := await asyncio.to_thread(self.one, ACTIVE):
            assert time.monotonic() < deadline, f"{left} runs have not ended."
            await asyncio.sleep(0.2)

    def check(self, *, runs: int, rounds: int = 1) -> dict[str, int]:
        """Figures for the table, after every claim has been found true. ``rounds``: runs of each thread."""
        assert dict(self.rows(STATUSES)) == {"success": runs}
        assert self.one(BUSY) == 0
        assert self.rows(GAPS) == []
        assert self.one(ORPHANS) == 0
        assert self.one(JOBS) == 0
        assert self.rows(WRONG, [json.dumps(STEPS * rounds)]) == []
        begun = self._begun()
        assert set(Counter(run for run, _ in begun).values()) == {len(STEPS)}
        repeated = self._repeated(begun)
        assert not repeated, f"finished, and begun again: {repeated}"
        twice = sum(len(attempts) > 1 for attempts in begun.values())
        return {
            "runs": runs,
            "faults": self.faults,
            "lost": 0,
            "steps cut off and begun again": twice,
            "steps finished before a fault": len(self._kept),
            "of these begun again": 0,
        }

    def _begun(self) -> dict[tuple[str, str], list[int]]:
        begun = defaultdict(list)
        for line in self.book.read_text().splitlines():
            run_id, attempt, step = line.split()
            begun[run_id, step].append(int(attempt))
        for key, attempts in begun.items():
            assert len(set(attempts)) == len(attempts), f"{key} was begun twice in one attempt"
        return begun

    def _repeated(self, begun: dict[tuple[str, str], list[int]]) -> list[tuple[str, str]]:
        return [key for key, attempt in self._kept.items() if max(begun[key]) > attempt]
