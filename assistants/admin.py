from __future__ import annotations

from uuid import UUID

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from assistants import introspection
from assistants.console.json_tree import json_tree
from assistants.console.picture import picture
from assistants.console.verbs import ConsoleAdmin, Panel
from assistants.graphs import registry
from assistants.models import Assistant

# How deep subgraphs can be drawn.
DEPTHS = range(4)


@admin.register(Assistant)
class AssistantAdmin(ConsoleAdmin):
    list_display = ["name", "graph_id", "version", "created_at"]
    list_filter = ["graph_id"]
    search_fields = ["id", "name", "graph_id"]
    filter_horizontal = ["groups"]
    readonly_fields = ["id", "created_at", "updated_at"]

    def panels(self, request: HttpRequest, obj: Assistant) -> list[Panel]:
        if obj.graph_id not in registry.ids():
            return []
        return [
            Panel("graph", _("Graph"), self.url("graph", obj.pk), open=True),
            Panel("schemas", _("Schemas"), self.url("schemas", obj.pk)),
        ]

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
        shown = [(name, json_tree(schema)) for name, schema in schemas.items() if schema]
        context = {"object": assistant, "schemas": shown}
        return self.panel(request, "admin/assistants/schemas.html", _("Schemas"), **context)

    def _served(self, request: HttpRequest, pk: UUID) -> Assistant:
        assistant: Assistant = self.found(request, pk)
        if assistant.graph_id not in registry.ids():
            raise Http404
        return assistant
