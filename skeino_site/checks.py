"""What is checked of this project. The doors of the apps are checked in the apps, wherever they are."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, connection

from runs.conf import conf as runs_conf
from skeino_site import connection_budget
from skeino_site.conf import conf as site_conf
from threads.conf import conf


@register(Tags.security, deploy=True)
def check_hosts(**kwargs: Any) -> list[CheckMessage]:
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "ALLOWED_HOSTS has *: pages of any site may open sockets with their visitors' sessions.",
            hint="Name the hosts under which this server is reached.",
            id="skeino_site.W010",
        )
    ]


@register(Tags.security, deploy=True)
def check_origins(**kwargs: Any) -> list[CheckMessage]:
    if not settings.CORS_ALLOW_ALL_ORIGINS:
        return []
    if settings.CORS_ALLOW_CREDENTIALS:
        what = "pages of any site may read and act with their visitors' sessions"
    elif conf.SKEINO_ALLOW_ANONYMOUS:
        what = "pages of any site may use this server through their visitors' browsers, without an account"
    else:
        return []
    return [
        Warning(
            f"CORS_ALLOWED_ORIGINS is *: {what}.",
            hint="Name the origins of your pages, in the environment or under http.cors in langgraph.json.",
            id="skeino_site.W011",
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
