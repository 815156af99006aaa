from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from threads.admin.managed import ManagedAdmin
from threads.models import Thread
from threads.sharing import ThreadShare


class ThreadShareInline(admin.TabularInline):
    model = ThreadShare
    extra = 0
    verbose_name = "share"


@admin.register(Thread)
class ThreadAdmin(ManagedAdmin):
    """The threads that the API shows to the user too."""

    list_display = ["id", "external_id", "status", "owner", "created_at", "updated_at"]
    list_filter = ["status", "created_at"]
    list_select_related = ["owner"]
    date_hierarchy = "created_at"
    search_fields = ["id", "external_id"]
    raw_id_fields = ["owner"]
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
    content_fields = ("values", "interrupts", "error")
    inlines = [ThreadShareInline]

    def thread_of(self, obj: Thread) -> Thread:
        return obj

    def get_queryset(self, request: HttpRequest) -> QuerySet[Thread]:
        threads: Any = super().get_queryset(request)
        return threads.visible_to(request.user)

    def get_autocomplete_fields(self, request: HttpRequest) -> Any:
        """The owner, where the project's admin can search its users."""
        users: Any = Thread._meta.get_field("owner").related_model
        return ["owner"] if getattr(self.admin_site._registry.get(users), "search_fields", ()) else []
