"""Statements written by hand, for what every request and every run asks.

To make them from models takes several times longer than to answer them, and Django has the server plan each
anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson
import psycopg
from django.conf import settings
from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import connection as default_connection
from django.db.models import JSONField, Model, QuerySet
from psycopg.rows import dict_row

# How often a connection has executed a statement when the server is asked to keep its plan.
PREPARE_THRESHOLD = 5

Row = Mapping[str, Any]
M = TypeVar("M", bound=Model)


def execute(
    statement: str, parameters: Mapping[str, Any] | Sequence[Any], *, prepare: bool | None = None
) -> list[dict[str, Any]]:
    """The rows of a statement, in the open transaction if there is one. jsonb comes as text.

    It is planned once for each of Django's connections, unless there is a pooler that shares them out; with
    ``prepare=False`` each time, for what is asked.
    """
    default_connection.ensure_connection()
    connection = default_connection.connection
    if connection.prepare_threshold is None and not getattr(settings, "SKEINO_DIRECT_DATABASE_URL", None):
        connection.prepare_threshold = PREPARE_THRESHOLD  # Django's own cursors prepare nothing
    with default_connection.wrap_database_errors, psycopg.Cursor(connection, row_factory=dict_row) as cursor:
        return cursor.execute(statement, parameters, prepare=prepare).fetchall()


def columns(model: type[Model], *, without: tuple[str, ...] = ()) -> str:
    """For a SELECT that ``as_model`` reads."""
    names = [str(field.column) for field in model._meta.concrete_fields]
    return ", ".join(f'"{name}"' for name in names if name not in without)


def as_model(model: type[M], row: Row) -> M:
    """A row by its columns' names. What it does not have is read when it is asked for."""
    fields = {str(field.column): field for field in model._meta.concrete_fields if field.column in row}
    values = [
        orjson.loads(row[name]) if isinstance(field, JSONField) and isinstance(row[name], str) else row[name]
        for name, field in fields.items()
    ]
    return model.from_db(default_connection.alias, [field.attname for field in fields.values()], values)


def by_id(model: type[M], key: Any, *, without: tuple[str, ...] = ()) -> M | None:
    """The row of that key, with all columns but some; None if there is none."""
    table, wanted = model._meta.db_table, columns(model, without=without)
    found = execute(f'SELECT {wanted} FROM "{table}" WHERE id = %(id)s', {"id": key})  # nosec B608
    return as_model(model, found[0]) if found else None


def page(
    rows: QuerySet[M], wanted: Sequence[str], *, order_by: str, limit: int, offset: int
) -> list[dict[str, Any]] | None:
    """Some columns of some rows of a queryset that was only filtered, ordered by one column and the id.

    Django makes the condition, so it may be anybody's, but not the rest, which takes it twice as long. None
    where the condition needs other tables than the queryset's own.
    """
    query = rows.query
    query.get_initial_alias()
    has_joins = sum(map(bool, query.alias_refcount.values())) > 1
    if has_joins or query.annotations or query.distinct or query.combinator:
        return None
    try:
        condition, parameters = query.get_compiler(rows.db).compile(query.where)
    except EmptyResultSet:
        return []
    except FullResultSet:
        condition, parameters = "true", ()
    column, direction = order_by.removeprefix("-"), "DESC" if order_by.startswith("-") else "ASC"
    statement = f'''
        SELECT {", ".join(f'"{name}"' for name in wanted)} FROM "{rows.model._meta.db_table}"
        WHERE {condition} ORDER BY "{column}" {direction}, "id" {direction} LIMIT {limit:d} OFFSET {offset:d}
    '''  # nosec B608  (column names, and a condition of Django's)
    return execute(statement, parameters, prepare=False)


def key_of(model: type[Model], relation: str, key: Any) -> Any:
    """A foreign key as the database has it: the project's users may have keys of any kind."""
    return model._meta.get_field(relation).get_db_prep_save(key, default_connection)  # type: ignore[union-attr]
