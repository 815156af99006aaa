from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from assistants.console.json_tree import json_tree
from assistants.console.lists import CappedPaginator
from assistants.console.search import id_range
from assistants.console.verbs import Panel, badge
from runs.admin import dashboard, event_log, verbs, waterfall
from runs.admin.deliveries import RunDeliveries
from runs.admin.filters import CreatedFilter
from runs.models import Run
from threads.models import Thread

# What a list does not show, and what may be large.
LARGE = ("kwargs", "metadata", "error", "traceback")
THREAD_LARGE = [
    f"thread__{field}" for field in ("values", "interrupts", "metadata", "config", "error", "title")
]


class RunChangeList(ChangeList):
    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        return super().get_queryset(request, exclude_parameters).defer(*LARGE)


@admin.register(Run)
class RunAdmin(RunDeliveries):
    """Read-only: workers own these rows. The runs of the threads that the API shows to the user too."""

    list_display = [
        "id",
        "state",
        "assistant",
        "on_thread",
        "attempt",
        "duration",
        "tokens",
        "created_at",
    ]
    list_filter = ["status", "assistant", CreatedFilter]
    list_per_page = 50
    paginator = CappedPaginator
    ordering = ["-id"]  # which begin with the time of creation, and have an index
    search_fields = ["id", "thread__id"]
    search_help_text = _("The id of a run or of a thread, or its first eight digits or more")
    show_full_result_count = False
    verbs = verbs.VERBS
    change_list_template = "admin/runs/run_change_list.html"
    readonly_fields = [
        "input",
        "command",
        "options",
        "shown_config",
        "shown_metadata",
        "shown_usage",
        "failure",
    ]

    class Media:
        css = {"all": ["runs/runs.css"]}

    def thread_of(self, obj: Run) -> Thread:
        return obj.thread

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        runs = super().get_queryset(request).select_related("assistant", "thread").defer(*THREAD_LARGE)
        threads = Thread.objects.visible_to(request.user)
        return runs.filter(thread__in=threads) if threads.query.where else runs

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        """By the beginning of an id, which the indexes find."""
        if not search_term:
            return queryset, False
        ids = id_range(search_term)
        if ids is None:
            return queryset.none(), False
        first, last = ids
        return queryset.filter(Q(pk__range=ids) | Q(thread__gte=first, thread__lte=last)), False

    def get_fieldsets(self, request: HttpRequest, obj: Run | None = None) -> Any:
        if not self.sees_content(request):
            return []
        named: list[tuple[Any, list[str]]] = [
            (_("Error"), ["failure"] if obj and obj.error else []),
            (_("Input"), ["input", "command"] if obj and obj.kwargs.get("command") else ["input"]),
            (_("Usage"), ["shown_usage"]),
            (_("Config"), ["shown_config", "options"]),
            (_("Metadata"), ["shown_metadata"]),
        ]
        return [
            (title, {"fields": fields, "classes": ["collapse"] if title == _("Metadata") else []})
            for title, fields in named
            if fields
        ]

    def panels(self, request: HttpRequest, obj: Run) -> list[Panel]:
        times = Panel("times", _("Times of nodes"), self.url("times", obj.pk), open=True)
        shown = [times, *super().panels(request, obj)]
        if not self.sees_content(request):
            return shown
        return [*shown, Panel("events", _("Event log"), self.url("events", obj.pk))]

    def summary(self, request: HttpRequest, obj: Run) -> list[tuple[Any, Any]]:
        return [
            (_("Status"), self.state(obj)),
            (_("Thread"), self.on_thread(obj)),
            (_("Assistant"), link(obj.assistant, "assistants_assistant", obj.assistant_id)),
            (_("Asked for by"), obj.user),
            (_("Attempts"), obj.attempt),
            (_("Workers lost"), obj.lost or ""),
            (_("Waited"), seconds(obj.created_at, obj.started_at)),
            (_("Took"), self.duration(obj)),
            (_("Tokens"), self.tokens(obj)),
            (_("Strategy"), obj.get_multitask_strategy_display()),
            (_("Is to be"), obj.get_cancel_action_display() if not obj.is_finished else ""),
            (_("Webhook"), obj.kwargs.get("webhook") if self.sees_content(request) else ""),
            (_("Created"), moment(obj.created_at)),
            (_("Finished"), moment(obj.finished_at)),
        ]

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("dashboard", "dashboard/", self.dashboard_view),
            self.page("events", "<uuid:pk>/events/", self.events_view),
            self.page("times", "<uuid:pk>/times/", self.times_view),
            self.page("failure", "<uuid:pk>/failure/", self.failure_view),
            *super().get_urls(),
        ]

    def dashboard_view(self, request: HttpRequest) -> HttpResponse:
        """Numbers of all runs, whoever they belong to: no content."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self.panel(request, "admin/runs/dashboard.html", _("Dashboard"), **dashboard.measured())

    def events_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """A page of the run's log."""
        run = self.found(request, pk, content=True)
        page = event_log.page(run, mode=request.GET.get("mode", ""), after=request.GET.get("after", ""))
        template, title = "admin/runs/event_log.html", _("Event log")
        return self.panel(request, template, title, object=run, modes=event_log.modes(run), page=page)

    def times_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """When each node began and ended: no content, so for all who may see the run."""
        run = self.found(request, pk)
        found = waterfall.of(run)
        context = {"object": run, "rows": waterfall.drawn(run, found.bars), "source": found.source}
        context |= {"is_cut": found.is_cut, "is_active": not run.is_finished}
        return self.panel(request, "admin/runs/waterfall.html", _("Times of nodes"), **context)

    def failure_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        run = self.found(request, pk, content=True)
        context = {"object": run, "failure": self.failure(run)}
        return self.panel(request, "admin/runs/failure.html", _("Error"), **context)

    @admin.display(description=_("status"), ordering="status")
    def state(self, run: Run) -> SafeString:
        return badge(run.status, run.get_status_display())

    @admin.display(description=_("thread"))
    def on_thread(self, run: Run) -> SafeString:
        return link(f"…{str(run.thread_id)[-12:]}", "threads_thread", run.thread_id)

    @admin.display(description=_("took"))
    def duration(self, run: Run) -> str:
        return seconds(run.started_at, run.finished_at or timezone.now())

    @admin.display(description=_("tokens"))
    def tokens(self, run: Run) -> str:
        return f"{run.total_tokens:,}" if isinstance(run.total_tokens, int) and run.total_tokens else ""

    @admin.display(description=_("error"))
    def failure(self, run: Run) -> SafeString:
        error = run.error if isinstance(run.error, dict) else {"message": run.error}
        text = "\n".join(str(value) for key, value in error.items() if key != "error")
        told = '<strong>{}</strong><pre class="console-text">{}</pre>'
        shown = format_html(told, error.get("error", ""), text[:20_000])
        if not run.traceback:
            return shown
        folded = '{}<details><summary>{}</summary><pre class="console-text">{}</pre></details>'
        return format_html(folded, shown, _("Traceback"), run.traceback)

    @admin.display(description=_("input"))
    def input(self, run: Run) -> SafeString:
        return json_tree(run.kwargs.get("input"))

    @admin.display(description=_("command"))
    def command(self, run: Run) -> SafeString:
        return json_tree(run.kwargs.get("command"))

    @admin.display(description=_("options"))
    def options(self, run: Run) -> SafeString:
        apart = ("input", "command", "config")
        return json_tree({k: v for k, v in run.kwargs.items() if k not in apart and v not in (None, {}, [])})

    @admin.display(description=_("config"))
    def shown_config(self, run: Run) -> SafeString:
        return json_tree(run.kwargs.get("config"))

    @admin.display(description=_("metadata"))
    def shown_metadata(self, run: Run) -> SafeString:
        return json_tree(run.metadata)

    @admin.display(description=_("usage"))
    def shown_usage(self, run: Run) -> SafeString:
        return json_tree(run.usage)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def link(text: Any, page: str, pk: Any) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{page}_change", args=[pk]), text)


def moment(time: Any) -> str:
    return "" if time is None else f"{timezone.localtime(time):%Y-%m-%d %H:%M:%S}"


def seconds(begun: Any, ended: Any) -> str:
    """How long it took, to be read by people."""
    if begun is None or ended is None:
        return ""
    took = (ended - begun).total_seconds()
    return f"{took:.2f} s" if took < 60 else str(timedelta(seconds=round(took)))
