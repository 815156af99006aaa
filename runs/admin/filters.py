from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from runs.retention import smallest_id

TIMES = {
    "hour": (timedelta(hours=1), _("in the last hour")),
    "day": (timedelta(days=1), _("in the last 24 hours")),
    "week": (timedelta(days=7), _("in the last 7 days")),
    "month": (timedelta(days=30), _("in the last 30 days")),
}


class CreatedFilter(admin.SimpleListFilter):
    """By the ids, which begin with the time: there is no index on the time itself."""

    title, parameter_name = _("created"), "created"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, label) for name, (_ago, label) in TIMES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in TIMES:
            return queryset
        ago, _label = TIMES[str(self.value())]
        return queryset.filter(pk__gte=smallest_id(timezone.now() - ago))
