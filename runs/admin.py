from __future__ import annotations

from itertools import islice

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from runs.models import Run, RunEvent

EVENTS_SHOWN = 100


@admin.register(Run)
class RunAdmin(admin.ModelAdmin):
    """Read-only: workers own these rows."""

    list_display = ["id", "status", "assistant", "attempt", "created_at", "finished_at"]
    list_filter = ["status", "assistant", "created_at"]
    list_select_related = ["assistant"]
    date_hierarchy = "created_at"
    search_fields = ["id", "thread__id"]
    show_full_result_count = False
    readonly_fields = ["first_events"]

    @admin.display(description=f"first {EVENTS_SHOWN} events")
    def first_events(self, run: Run) -> SafeString:
        events = RunEvent.objects.filter(run=run).order_by("seq")[:EVENTS_SHOWN]
        rows = ((e.seq, e.event, "".join(islice(e.data, 500))) for e in events)
        return format_html_join("", "<div>{} <b>{}</b> <code>{}</code></div>", rows)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return False
