"""The admin of assistants, with where they are used."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext_lazy as _

from assistants.admin import AssistantAdmin as WithoutRuns
from assistants.console.lists import counted
from assistants.console.verbs import Panel
from assistants.models import Assistant
from runs.models import Run
from threads.models import Thread

admin.site.unregister(Assistant)


class Use(NamedTuple):
    label: Any
    number: int
    url: str


@admin.register(Assistant)
class AssistantAdmin(WithoutRuns):
    def panels(self, request: HttpRequest, obj: Assistant) -> list[Panel]:
        used = Panel("used", _("Where it is used"), self.url("used", obj.pk), open=True)
        return [*super().panels(request, obj), used]

    def get_urls(self) -> list[URLPattern]:
        return [self.page("used", "<uuid:pk>/used/", self.used_view), *super().get_urls()]

    def used_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """How many threads and runs have it, of those that the user may see."""
        assistant: Assistant = self.found(request, pk)
        threads: Any = self._listed(request, Thread)
        runs: Any = self._listed(request, Run)
        uses = []
        if threads is not None:
            # The latest run's assistant, or that given with the thread: by the index on metadata.
            of_assistant = threads.filter(metadata__contains={"assistant_id": str(pk)})
            uses.append(Use(_("Threads"), counted(of_assistant), self._list(Thread, assistant=str(pk))))
        if runs is not None:
            of_assistant, chosen = runs.filter(assistant=assistant), {"assistant__id__exact": str(pk)}
            uses.append(Use(_("Runs"), counted(of_assistant), self._list(Run, **chosen)))
            active = self._list(Run, **chosen, status__in=",".join(Run.ACTIVE))
            uses.append(Use(_("Runs that wait or execute"), counted(of_assistant.active()), active))
        return self.panel(request, "admin/runs/used.html", _("Where it is used"), object=assistant, uses=uses)

    def _list(self, model: type[Model], **filters: str) -> str:
        """The URL of that model's list, filtered."""
        opts = model._meta
        url = reverse(f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_changelist")
        return f"{url}?{urlencode(filters)}"

    def _listed(self, request: HttpRequest, model: Any) -> QuerySet[Any] | None:
        """What of the model its own list shows to the user; None if they may not view that."""
        listed = self.admin_site._registry.get(model)
        if listed is None or not listed.has_view_permission(request):
            return None
        return listed.get_queryset(request)
