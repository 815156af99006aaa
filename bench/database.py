"""The embedded Postgres that all contestants share, one after the other, each with a database of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from skeino_site import embedded_postgres

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".data" / "bench"
LOG = FOLDER / "postgres" / "log"


@dataclass(frozen=True)
class Postgres:
    address: embedded_postgres.Address
    pid: int  # of the postmaster

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """The URL of an empty database, which is dropped at the end."""
        name = f"bench_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.address.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.address.url(name)
        finally:
            with psycopg.connect(self.address.url(), autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
                connection.execute("CHECKPOINT")  # else the next contestant pays for it


@contextmanager
def running() -> Iterator[Postgres]:
    """With Postgres's own durability: commits wait for the disk."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    address = embedded_postgres.start(FOLDER)
    try:
        with psycopg.connect(address.url()) as connection:
            postmaster = psutil.Process(connection.info.backend_pid).ppid()
        yield Postgres(address, postmaster)
    finally:
        embedded_postgres.stop(FOLDER)
