from __future__ import annotations

from django.contrib import admin

from assistants.models import Assistant


@admin.register(Assistant)
class AssistantAdmin(admin.ModelAdmin):
    list_display = ["name", "graph_id", "version", "created_at"]
    list_filter = ["graph_id"]
    search_fields = ["id", "name", "graph_id"]
    filter_horizontal = ["groups"]
    readonly_fields = ["id", "created_at", "updated_at"]
