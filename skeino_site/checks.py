from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, connection

from runs.conf import conf as runs_conf
from skeino_site import connection_budget
from skeino_site.conf import conf as site_conf
from threads.conf import conf


@register(Tags.security, deploy=True)
def check_anonymous_access(**kwargs: Any) -> list[CheckMessage]:
    if not conf.SKEINO_ALLOW_ANONYMOUS:
        return []
    return [
        Warning(
            "SKEINO_ALLOW_ANONYMOUS is on: anybody who reaches the server may run graphs.",
            hint="Turn it off, and DEBUG, where the server is reached from outside.",
            id="skeino_site.W001",
        )
    ]


# Postgres keeps some for superusers, and from version 16 on for those who may use such.
AVAILABLE = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true), '0')::int
"""


@register(Tags.database)
def check_connections(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Whether Postgres takes all the connections that the processes may want at the worst of times.

    With a pooler between them only those that go past it count: the rest is for the pooler to limit.
    """
    if DEFAULT_DB_ALIAS not in (databases or ()) or connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(AVAILABLE)
        [available] = cursor.fetchone()
    wanted = connection_budget.all_processes()
    behind_pooler = runs_conf.SKEINO_DIRECT_DATABASE_URL is not None
    count = wanted.direct if behind_pooler else wanted.direct + wanted.pooled
    if count <= available:
        return []
    web, workers = site_conf.SKEINO_WEB_PROCESSES, site_conf.SKEINO_WORKER_PROCESSES
    where = " past the pooler" if behind_pooler else ""
    return [
        Warning(
            f"{web} web and {workers} worker processes may open {count} database connections{where}, "
            f"and Postgres takes {available}.",
            hint=(
                "Raise max_connections, use PgBouncer, or lower SKEINO_WEB_THREADS, SKEINO_WORKER_POOL_SIZE "
                "or SKEINO_WORKER_NODE_THREADS. docs/deployment.md has the formula."
            ),
            id="skeino_site.W002",
        )
    ]
