from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from assistants import introspection
from assistants.console.picture import picture
from assistants.console.verbs import ConsoleAdmin, Panel
from assistants.forms import AssistantForm, form_for
from assistants.graphs import registry
from assistants.models import Assistant

# How deep subgraphs can be drawn.
DEPTHS = range(4)


class GroupFilter(admin.SimpleListFilter):
    title, parameter_name = _("allowed to"), "group"
    MOST = 100
    ALL = "all"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        groups = Group.objects.order_by("name").values_list("pk", "name")[: self.MOST]
        return [(self.ALL, _("everybody")), *((str(pk), name) for pk, name in groups)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == self.ALL:
            return queryset.filter(groups=None)
        chosen = self.value() or ""
        return queryset.filter(groups=int(chosen)) if chosen.isdecimal() and len(chosen) < 10 else queryset


@admin.register(Assistant)
class AssistantAdmin(ConsoleAdmin):
    """Context and config are forms where they can be, made from the graph's schema."""

    form = AssistantForm
    list_display = ["name", "graph_id", "version", "allowed_to", "created_at"]
    list_filter = ["graph_id", GroupFilter]
    show_full_result_count = False
    search_fields = ["id", "name", "graph_id"]
    filter_horizontal = ["groups"]
    readonly_fields = ["id", "created_at", "updated_at"]
    described = ["graph_id", "name", "description", "version"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assistant]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_form(
        self, request: HttpRequest, obj: Assistant | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm]:
        """Once it is known whose: made anew for each, for each graph has its own schema."""
        if obj is not None and self.has_change_permission(request, obj):
            kwargs["form"] = form_for(obj)
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Assistant | None = None) -> Any:
        form = AssistantForm
        if obj is not None and self.has_change_permission(request, obj):
            form = form_for(obj)
        parts = [
            (title, {"fields": form.names_of(column)})
            for column, title in (("context", _("Context")), ("config", _("Config")))
        ]
        last = (_("Metadata"), {"fields": ["metadata", *self.readonly_fields], "classes": ["collapse"]})
        who = (_("Who may use it"), {"fields": ["groups"]})
        return [(None, {"fields": self.described}), *parts, who, last]

    def panels(self, request: HttpRequest, obj: Assistant) -> list[Panel]:
        if obj.graph_id not in registry.ids():
            return []
        return [
            Panel("graph", _("Graph"), self.url("graph", obj.pk), open=True),
            Panel("schemas", _("Schemas"), self.url("schemas", obj.pk)),
        ]

    @admin.display(description=_("allowed to"))
    def allowed_to(self, assistant: Assistant) -> Any:
        """The groups that may see and run it."""
        return ", ".join(group.name for group in assistant.groups.all()) or _("everybody")

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("graph", "<uuid:pk>/graph/", self.graph_view),
            self.page("schemas", "<uuid:pk>/schemas/", self.schemas_view),
            *super().get_urls(),
        ]

    def graph_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The graph as a picture; ``xray`` draws so many levels of subgraphs."""
        assistant = self._served(request, pk)
        asked = request.GET.get("xray", "0")
        xray = int(asked) if asked in map(str, DEPTHS) else 0
        drawn = introspection.drawing(registry.build(assistant.graph_id), xray=xray or False)
        context = {"object": assistant, "picture": picture(drawn), "depths": DEPTHS, "xray": xray}
        return self.panel(request, "admin/assistants/graph.html", _("Graph"), **context)

    def schemas_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        assistant = self._served(request, pk)
        schemas = introspection.schemas(registry.build(assistant.graph_id))
        context = {"object": assistant, "schemas": schemas}
        return self.panel(request, "admin/assistants/schemas.html", _("Schemas"), **context)

    def _served(self, request: HttpRequest, pk: UUID) -> Assistant:
        assistant: Assistant = self.found(request, pk)
        if assistant.graph_id not in registry.ids():
            raise Http404
        return assistant
