from __future__ import annotations

from typing import Any

import psycopg
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, connection

from runs.conf import conf
from runs.connections import direct

CONNECT_SECONDS = 10


# Of the server, and of the database in it: two addresses with the same answer lead to the same.
IDENTITY = "SELECT pg_postmaster_start_time(), current_database()"


@register(Tags.database)
def check_direct_database(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Events written elsewhere would be lost, and nobody would hear of what is heard elsewhere."""
    if DEFAULT_DB_ALIAS not in (databases or ()) or not conf.SKEINO_DIRECT_DATABASE_URL:
        return []
    try:
        with psycopg.connect(**direct() | {"connect_timeout": CONNECT_SECONDS}) as past_the_pooler:
            reached = past_the_pooler.execute(IDENTITY).fetchone()
    except psycopg.Error as exc:
        reason = " ".join(str(exc).split())
        return [Error(f"SKEINO_DIRECT_DATABASE_URL cannot be used: {reason}", id="runs.E001")]
    with connection.cursor() as cursor:
        cursor.execute(IDENTITY)
        if cursor.fetchone() == reached:
            return []
    return [
        Error(
            "SKEINO_DIRECT_DATABASE_URL leads to another database than DATABASES.",
            hint="It must be the same one, reached past the pooler.",
            id="runs.E002",
        )
    ]


@register(Tags.security, deploy=True)
def check_webhooks(**kwargs: Any) -> list[CheckMessage]:
    if not conf.SKEINO_WEBHOOK_ALLOW_PRIVATE:
        return []
    return [
        Warning(
            "SKEINO_WEBHOOK_ALLOW_PRIVATE is on: clients may have this server call your own network.",
            hint="Turn it off, unless all clients are trusted with that.",
            id="runs.W001",
        )
    ]
