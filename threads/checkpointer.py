"""Where checkpoints are kept: LangGraph's own tables, in the database of the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import Cursor
from psycopg.pq import Format
from psycopg.rows import DictRow, dict_row


class DjangoSaver(PostgresSaver):
    """The checkpointer of requests and commands: on Django's connection, in Django's transaction.

    For the length of one request; not to be kept. Workers use the asynchronous saver on their own pool.
    """

    def __init__(self) -> None:
        connection.ensure_connection()
        super().__init__(connection.connection)

    @contextmanager
    def _cursor(self, *, pipeline: bool = False) -> Iterator[Cursor[DictRow]]:
        # Django's own cursors bind on the client side and cannot read binary results. No pipeline: it would
        # end in a sync, and that in a commit of whatever transaction Django has open.
        with self.lock, Cursor(self.conn, row_factory=dict_row) as cursor:  # type: ignore[arg-type]
            cursor.format = Format.BINARY
            yield cursor


def setup() -> None:
    """Make the tables, or bring them up to what the installed library expects. Run by every ``migrate``."""
    DjangoSaver().setup()


def delete(thread_ids: Sequence[str]) -> None:
    """Delete all checkpoints, values and writes of the threads, their subgraphs' too."""
    if thread_ids:
        DjangoSaver().prune(thread_ids, strategy="delete")
