"""The store: what graphs remember across threads. LangGraph's own, in the database of the project."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS
from langgraph.store.postgres import AsyncPostgresStore, PostgresStore
from procrastinate.contrib.django.utils import connector_params
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from assistants import langgraph_json
from assistants.conf import conf
from assistants.graphs import import_target, prepare_environment


def setup() -> None:
    """Make the tables, or bring them up to what the installed library and ``store.index`` expect."""
    with psycopg.connect(
        **connector_params(DEFAULT_DB_ALIAS), autocommit=True, row_factory=dict_row
    ) as connection:
        PostgresStore(connection, **_options()).setup()


def open_store(pool: AsyncConnectionPool[Any]) -> AsyncPostgresStore:
    """The store of a worker, on its pool and its event loop."""
    return AsyncPostgresStore(pool, **_options())


def _options() -> dict[str, Any]:
    """``store.index`` and ``store.ttl`` of langgraph.json. Graphs from SKEINO_GRAPHS have a plain store.

    Raises LanggraphJsonError, or GraphLoadError when the embedding function cannot be imported.
    """
    if conf.SKEINO_GRAPHS or not conf.SKEINO_LANGGRAPH_JSON.exists():
        return {}
    document = langgraph_json.read(conf.SKEINO_LANGGRAPH_JSON)
    options = {key: document.store[key] for key in ("index", "ttl") if document.store.get(key)}
    embed = options.get("index", {}).get("embed")
    if isinstance(embed, str) and ".py:" in embed:
        prepare_environment(conf.SKEINO_LANGGRAPH_JSON)
        function = import_target("The store's index", embed, document.folder)
        options["index"] = {**options["index"], "embed": function}
    return options
