"""The store: what graphs remember across threads. LangGraph's own, in the database of the project."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def open_store(pool: AsyncConnectionPool[Any]) -> AsyncIterator[AsyncPostgresStore]:
    """The store of a worker, on its pool and its event loop; what is past its time is swept out meanwhile."""
    store = AsyncPostgresStore(pool, **_options())
    if store.ttl_config:
        await store.start_ttl_sweeper()
    try:
        yield store
    finally:
        await store.stop_ttl_sweeper()
        batches = store._task  # the library leaves it to the garbage collector, which cannot wait for it
        if batches is not None:
            batches.cancel()
            await asyncio.wait([batches])


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
