"""One PostgreSQL for all tests: that of DATABASE_URL if it is set, else an embedded one of the tests' own."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import django
import psycopg
import pytest
from django.db import connection
from psycopg import sql

import assistants  # noqa: F401  (before LangGraph is imported: it makes it strict)
from skeino_site import embedded_postgres

# What waits for processes to start and to stop. Begun last, it would keep one core waiting for the others.
LONG = {
    *("test_openapi.py", "test_serve.py", "faults", "test_recorded.py", "test_worker.py", "bench"),
    *("test_reconnecting.py", "test_deployment_files.py", "test_pooler.py", "test_browser.py"),
}

DATA_DIR = Path(__file__).parent.parent / ".data" / "test"


def pytest_configure() -> None:
    """Set Django up, once there is a database for the settings to name.

    The processes that pytest-xdist starts find it in their environment.
    """
    os.environ["SKEINO_DATA_DIR"] = str(DATA_DIR)
    os.environ["SKEINO_THROTTLE"] = "0"
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = embedded_postgres.url(DATA_DIR)
        _hurry(os.environ["DATABASE_URL"])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "skeino_site.settings")
    django.setup()
    # Two sessions at a time share the server, but not the database.
    connection.settings_dict["TEST"]["NAME"] = f"test_{uuid.uuid4().hex}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not {item.path.name, item.path.parent.name} & LONG)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # which processes have that others wait for
        embedded_postgres.stop(DATA_DIR)


def _hurry(url: str) -> None:
    """Nobody minds if the tests' data does not survive a power failure."""
    with psycopg.connect(url, autocommit=True) as server:
        for name in ("fsync", "full_page_writes"):
            server.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(name)))
        server.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """For an embedded PostgreSQL. Not in pytest's own folder, which pytest closes to the server's user."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        embedded_postgres.start(Path(folder))  # to stop one that a failed test may have left behind
        embedded_postgres.stop(Path(folder))


@pytest.fixture(scope="session")
def fresh_database() -> Iterator[Callable[[], str]]:
    """Creates an empty database at every call and returns its URL. They are dropped at the end."""
    url = os.environ["DATABASE_URL"]
    names: list[sql.Identifier] = []
    with psycopg.connect(url, autocommit=True) as server:

        def create() -> str:
            name = f"fresh_{uuid.uuid4().hex}"
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            names.append(sql.Identifier(name))
            return urlsplit(url)._replace(path=f"/{name}").geturl()

        yield create
        for name in names:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
