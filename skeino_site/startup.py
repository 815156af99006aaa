"""What ``manage.py serve`` does before it starts processes. Each step fails with one line: a CommandError."""

from __future__ import annotations

import django.db
import psycopg
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from skeino_site import embedded_postgres

CONNECT_TIMEOUT = 10  # seconds


def start_embedded_postgres() -> str:
    """The URL of the embedded PostgreSQL."""
    try:
        return embedded_postgres.url(settings.DATA_DIR)
    except embedded_postgres.EmbeddedPostgresError as exc:
        raise CommandError(str(exc)) from exc


def check_connection() -> None:
    """Connect once, without the pool: it would try again and again and hide the reason."""
    try:
        if django.db.connection.vendor != "postgresql":
            raise CommandError("DATABASE_URL must be that of a PostgreSQL database: postgresql://…")
        options = {"connect_timeout": CONNECT_TIMEOUT} | django.db.connection.get_connection_params()
        psycopg.connect(**options).close()
    except (psycopg.Error, ImproperlyConfigured) as exc:
        raise CommandError(f"The database in DATABASE_URL cannot be used: {_one_line(exc)}") from exc


def run_system_checks() -> list[str]:
    """Warnings, if there are any. Raises CommandError if there are errors."""
    found = checks.run_checks(databases=[django.db.DEFAULT_DB_ALIAS])
    messages = [message for message in found if not message.is_silenced()]
    errors = [_sentence(message) for message in messages if message.is_serious()]
    if errors:
        raise CommandError(" ".join(errors))
    return [_sentence(message) for message in messages if message.level >= checks.WARNING]


def load_graphs() -> list[str]:
    """The ids of the graphs."""
    from assistants.graphs import GraphLoadError, registry  # what graphs import is slow and may fail
    from assistants.langgraph_json import LanggraphJsonError

    try:
        return list(registry.load_all())
    except (GraphLoadError, LanggraphJsonError) as exc:
        raise CommandError(str(exc)) from exc


def count_new_migrations() -> int:
    try:
        executor = MigrationExecutor(django.db.connection)
        return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except (django.db.Error, psycopg.Error) as exc:
        raise CommandError(f"The database's migrations cannot be read: {_one_line(exc)}") from exc


def migrate() -> None:
    try:
        call_command("migrate", verbosity=0, interactive=False)
    except (django.db.Error, psycopg.Error, CommandError) as exc:
        raise CommandError(f"Migrating the database failed: {_one_line(exc)}") from exc


def close_connections() -> None:
    """Including the pool and its threads."""
    for connection in django.db.connections.all(initialized_only=True):
        connection.close()
        if isinstance(connection, DatabaseWrapper):
            connection.close_pool()


def _sentence(message: checks.CheckMessage) -> str:
    return _one_line(f"{message.msg} {message.hint or ''} ({message.id})")


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
