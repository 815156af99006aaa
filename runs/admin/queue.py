"""The queue and its workers, to be looked at: jobs are changed by the verbs of their runs alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django.admin import ProcrastinateJobAdmin
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob, ProcrastinateWorker

from assistants.console.verbs import badge
from runs.admin.runs import link
from runs.conf import conf

# Its actions ask for no permission, and its filters list every lock, which are threads.
if isinstance(admin.site._registry.get(ProcrastinateJob), ProcrastinateJobAdmin):
    admin.site.unregister(ProcrastinateJob)


class ReadOnlyAdmin(admin.ModelAdmin):
    show_full_result_count = False
    actions = None

    class Media:
        css = {"all": ["assistants/console.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class EventInline(admin.TabularInline):
    model = ProcrastinateEvent
    extra = 0
    ordering = ["-at"]
    fields = ["type", "at"]
    can_delete = False


@admin.register(ProcrastinateJob)
class JobAdmin(ReadOnlyAdmin):
    list_display = ["id", "task_name", "state", "run", "attempts", "scheduled_at", "worker"]
    list_filter = ["status", "task_name"]
    list_select_related = ["worker"]
    search_fields = ["=id"]
    ordering = ["-id"]
    inlines = [EventInline]
    fields = [
        "id",
        "task_name",
        "state",
        "run",
        "args",
        "queue_name",
        "lock",
        "queueing_lock",
        "priority",
        "scheduled_at",
        "attempts",
        "abort_requested",
        "worker",
    ]

    @admin.display(description=_("status"), ordering="status")
    def state(self, job: ProcrastinateJob) -> Any:
        return badge({"doing": "running", "failed": "error"}.get(job.status, job.status), job.status)

    @admin.display(description=_("run"))
    def run(self, job: ProcrastinateJob) -> Any:
        run_id = job.args.get("run_id")
        return link(run_id, "runs_run", run_id) if run_id else ""

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By the job's number."""
        term = search_term.strip()
        if not term:
            return queryset, False
        is_number = term.isdecimal() and len(term) < 19
        return (queryset.filter(pk=int(term)) if is_number else queryset.none()), False


@admin.register(ProcrastinateWorker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ["id", "alive", "last_heartbeat"]
    ordering = ["-last_heartbeat"]

    @admin.display(description=_("alive"), boolean=True)
    def alive(self, worker: ProcrastinateWorker) -> bool:
        silent = timezone.now() - worker.last_heartbeat
        return silent < timedelta(seconds=conf.SKEINO_HEARTBEAT_SECONDS)
