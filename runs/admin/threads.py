"""The admin of threads, with what is done by runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, Max, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Left
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException

from assistants.console.verbs import Panel, Verb
from runs import permissions
from runs.admin import live, verbs
from runs.admin.forms import AnswerForm, RunForm
from runs.admin.runs import LARGE, moment, seconds
from runs.models import Run
from runs.streaming import waiting
from threads.admin.threads import ThreadAdmin as WithoutRuns
from threads.models import Thread

RUNS_SHOWN = 20
# Whose permissions running takes; what it does is in the form.
RUN = Verb(name="run", label=_("run"), permissions=permissions.ADD, do=lambda request, thread: None)

admin.site.unregister(Thread)


@admin.register(Thread)
class ThreadAdmin(WithoutRuns):
    list_display = [
        *(column for column in WithoutRuns.list_display if column != "updated_at"),
        "tokens",
        "last_run",
        "updated",
    ]
    verbs = [*verbs.OF_THREADS, *WithoutRuns.verbs]
    change_form_template = "admin/runs/thread_change_form.html"

    class Media:
        css = {"all": ["runs/runs.css"]}
        js = ["runs/live.js"]

    def complete(self, threads: list[Any]) -> None:
        super().complete(threads)
        tokens = Cast(KeyTextTransform("total_tokens", "usage"), IntegerField())
        found = Run.objects.filter(thread__in=[thread.pk for thread in threads]).order_by().values("thread")
        totals = found.annotate(tokens=Sum(tokens), last=Max("created_at"), number=Count("pk"))
        by_thread = {row["thread"]: row for row in totals}
        for thread in threads:
            thread.runs_made = by_thread.get(thread.pk, {})

    def summary(self, request: HttpRequest, obj: Any) -> list[tuple[Any, Any]]:
        shown = super().summary(request, obj)
        made = obj.runs_made
        return [*shown[:-2], (_("Runs"), made.get("number")), (_("Tokens"), self.tokens(obj)), *shown[-2:]]

    def panels(self, request: HttpRequest, obj: Thread) -> list[Panel]:
        return [*super().panels(request, obj), Panel("runs", _("Runs"), self.url("runs", obj.pk), open=True)]

    def get_urls(self) -> list[URLPattern]:
        stream = waiting(self.admin_site.admin_view(self.stream_view))
        return [
            path("<uuid:pk>/stream/", stream, name="threads_thread_stream"),
            self.page("runs", "<uuid:pk>/runs/", self.runs_view),
            self.page("run", "<uuid:pk>/run/", self.run_view),
            *super().get_urls(),
        ]

    def stream_view(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        """What is being said on the thread now; see ``live.stream``."""
        return live.stream(self.found(request, pk), content=self.sees_content(request))

    def runs_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The thread's latest runs."""
        thread = self.found(request, pk)
        runs = Run.objects.filter(thread=thread).select_related("assistant", "user").defer(*LARGE)
        if self.sees_content(request):
            message = Left(KeyTextTransform("message", "error"), 200)
            runs = runs.annotate(raised=KeyTextTransform("error", "error"), message=message)
        shown = list(runs.order_by("-created_at", "-id")[: RUNS_SHOWN + 1])
        for run in shown:
            run.took = seconds(run.started_at, run.finished_at or timezone.now())  # type: ignore[attr-defined]
        context = {"runs": shown[:RUNS_SHOWN], "more": len(shown) > RUNS_SHOWN}
        return self.panel(request, "admin/runs/runs_of_thread.html", _("Runs"), object=thread, **context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        thread = self.get_object(request, object_id)
        extra: dict[str, Any] = {}
        if thread is not None:
            extra["stream_url"], extra["is_busy"] = self.url("stream", thread.pk), verbs.is_busy(thread)
            extra["updated_at"] = thread.updated_at.isoformat()
        if thread is not None and self.may(request, RUN, thread) and self.sees_content(request):
            initial = {"checkpoint_id": request.GET.get("checkpoint", "")[:64]}
            extra |= {"run_form": RunForm(request, thread, **initial), "run_url": self.url("run", thread.pk)}
            if thread.status == Thread.Status.INTERRUPTED:
                extra["answer_form"] = AnswerForm(request, thread)
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def run_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Run, or answer an interrupt; a page that says what is wrong with what was filled in."""
        thread = self.found(request, pk, content=True)
        if not self.may(request, RUN, thread):
            raise PermissionDenied
        kind = AnswerForm if "answer-assistant" in request.POST else RunForm
        form = kind(request, thread, request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                run = form.submit()
            except APIException as exc:
                form.add_error(None, str(exc.detail))
            else:
                done = gettext("run %(run)s") if kind is RunForm else gettext("answer, run %(run)s")
                self.log_change(request, thread, done % {"run": run.pk})
                return HttpResponseRedirect(self.url("change", pk))
        context = {"object": thread, "form": form, "run_url": request.path}
        return self.panel(request, "admin/runs/run.html", _("Run"), **context)

    @admin.display(description=_("tokens"))
    def tokens(self, thread: Any) -> str:
        return f"{thread.runs_made.get('tokens') or 0:,}"

    @admin.display(description=_("last run"))
    def last_run(self, thread: Any) -> str:
        return moment(thread.runs_made.get("last"))

    @admin.display(description=_("updated"), ordering="updated_at")
    def updated(self, thread: Thread) -> str:
        return moment(thread.updated_at)
