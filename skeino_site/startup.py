"""The steps before ``manage.py serve`` starts its processes. Each fails with one line that says what to do."""

from __future__ import annotations

import errno
import ipaddress
import socket

import django.db
import psycopg
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.migrations.executor import MigrationExecutor

from skeino_site import embedded_postgres

CONNECT_TIMEOUT = 10  # seconds


def check_port_is_free(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server itself does
            probe.bind(address)
    except socket.gaierror as exc:
        raise CommandError(f"The host {host} is not known: {exc.strerror}.") from exc
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} on {host} is in use. Stop what uses it, or set PORT to another one."
            ) from exc
        raise CommandError(f"Port {port} on {host} cannot be used: {exc.strerror}.") from exc


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
    messages = [message for message in checks.run_checks() if not message.is_silenced()]
    errors = [_one_line(message) for message in messages if message.is_serious()]
    if errors:
        raise CommandError(f"The project's settings are not right: {' '.join(errors)}")
    return [_one_line(message) for message in messages if message.level >= checks.WARNING]


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
    """Including the pool, whose threads would not survive the start of a process."""
    django.db.connections.close_all()
    django.db.connection.close_pool()


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
