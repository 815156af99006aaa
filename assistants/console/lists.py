"""Lists of many rows."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

# So many are counted, and can be leafed through: whoever looks for more searches, or filters.
MAX_LISTED = 10_000


class CappedPaginator(Paginator):
    """Does not count a great many rows for the number of pages."""

    @cached_property
    def count(self) -> int:
        listed: Any = self.object_list
        return int(listed.order_by().values("pk")[:MAX_LISTED].count())
