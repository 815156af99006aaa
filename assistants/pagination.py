"""Pages by ``limit`` and ``offset``: a bare list as the body, the rest in headers (wire contract 2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import QuerySet

Row = TypeVar("Row")


@dataclass(frozen=True)
class Page(Generic[Row]):
    items: list[Row]
    headers: dict[str, str]

    @classmethod
    def of(cls, rows: QuerySet[Any], *, limit: int, offset: int, total: int | None = None) -> Page[Row]:
        """Read one page. Without a ``total`` the header says how many are known to exist: those up to
        this page, and one more if there is one. Counting all of a large table would cost more than the page.
        """
        return cls.cut(list(rows[offset : offset + limit + 1]), limit=limit, offset=offset, total=total)

    @classmethod
    def cut(cls, items: list[Row], *, limit: int, offset: int, total: int | None = None) -> Page[Row]:
        """As ``of``, of rows that have been read: those of the page, and one more if there is one."""
        more = len(items) > limit
        headers = {"x-pagination-total": str(offset + len(items) if total is None else total)}
        if more:
            headers["x-pagination-next"] = str(offset + limit)
        return cls(items[:limit], headers)
