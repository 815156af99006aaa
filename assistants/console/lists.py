"""Lists of many rows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

# Counting further would take long, and tell nobody more: whoever looks for more searches, or filters.
MAX_COUNTED = 10_000


class CountedSoFar(int):
    """A number of rows, or more: there it was left off. Pages show it as ``10,000+``."""

    def __str__(self) -> str:
        # Templates then group the digits themselves, whatever else is there.
        return repr(self) if settings.USE_THOUSAND_SEPARATOR else f"{self:,}+"


def counted(rows: QuerySet[Any]) -> int:
    """How many rows there are; from ``MAX_COUNTED`` on ``CountedSoFar``."""
    count = rows.order_by().values("pk")[:MAX_COUNTED].count()
    return CountedSoFar(count) if count == MAX_COUNTED else count


class CappedPaginator(Paginator):
    """Does not count a great many rows for the number of pages, and does not leaf further than it counts."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return counted(rows)
