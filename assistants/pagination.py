"""Pages by ``limit`` and ``offset``: a bare list as the body, the rest in headers (wire contract 2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Page(Generic[Row]):
    items: list[Row]
    headers: dict[str, str]

    @classmethod
    def of(cls, rows: QuerySet[Row], *, limit: int, offset: int, total: int | None = None) -> Page[Row]:
        """Read one page. Without a ``total`` the header says how many are known to exist: those up to
        this page, and one more if there is one. Counting all of a large table would cost more than the page.
        """
        items = list(rows[offset : offset + limit + 1])
        more = len(items) > limit
        headers = {"x-pagination-total": str(offset + len(items) if total is None else total)}
        if more:
            headers["x-pagination-next"] = str(offset + limit)
        return cls(items[:limit], headers)
