from __future__ import annotations

from itertools import islice

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from runs.models import Run, RunEvent
from threads.admin.managed import ManagedAdmin
from threads.models import Thread

EVENTS_SHOWN = 100


@admin.register(Run)
class RunAdmin(ManagedAdmin):
    """Read-only: workers own these rows. The runs of the threads that the API shows to the user too."""

    list_display = ["id", "status", "assistant", "attempt", "created_at", "finished_at"]
    list_filter = ["status", "assistant", "created_at"]
    list_select_related = ["assistant"]
    raw_id_fields = ["user"]
    date_hierarchy = "created_at"
    search_fields = ["id", "thread__id"]
    show_full_result_count = False
    content_fields = ("kwargs", "error", "first_events")
    readonly_fields = ["first_events"]

    def thread_of(self, obj: Run) -> Thread:
        return obj.thread

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return super().get_queryset(request).filter(thread__in=Thread.objects.visible_to(request.user))

    @admin.display(description=f"first {EVENTS_SHOWN} events")
    def first_events(self, run: Run) -> SafeString:
        events = RunEvent.objects.filter(run=run).order_by("seq")[:EVENTS_SHOWN]
        rows = ((e.seq, e.event, "".join(islice(e.data, 500))) for e in events)
        return format_html_join("", "<div>{} <b>{}</b> <code>{}</code></div>", rows)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
