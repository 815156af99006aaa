"""Django on an empty database of its own, for the commands in this folder that are no tests."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

DATA_DIR = Path(__file__).resolve().parents[2] / ".data" / "console"


@contextmanager
def fresh_database() -> Iterator[str]:
    """The URL of a migrated database, where ``DATABASE_URL`` is or in an embedded Postgres; dropped after.

    Django is set up with it, so this can be done once in a process.
    """
    from skeino_site import embedded_postgres

    os.environ.setdefault("SKEINO_DATA_DIR", str(DATA_DIR))
    os.environ["SKEINO_THROTTLE"] = "0"
    server = os.environ.get("DATABASE_URL") or embedded_postgres.url(DATA_DIR)
    name = f"console_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = os.environ["DATABASE_URL"] = urlsplit(server)._replace(path=f"/{name}").geturl()
        try:
            _set_up()
            yield url
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "skeino_site.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
