from __future__ import annotations

from django.contrib import admin

from threads.models import Thread


@admin.register(Thread)
class ThreadAdmin(admin.ModelAdmin):
    list_display = ["id", "external_id", "status", "owner", "created_at", "updated_at"]
    list_filter = ["status", "created_at"]
    list_select_related = ["owner"]
    date_hierarchy = "created_at"
    search_fields = ["id", "external_id"]
    autocomplete_fields = ["owner"]
    show_full_result_count = False
    readonly_fields = [
        "id",
        "external_id",
        "status",
        "values",
        "interrupts",
        "error",
        "created_at",
        "updated_at",
    ]
