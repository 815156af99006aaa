from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext_lazy as _

from assistants.console.lists import CappedPaginator
from assistants.console.verbs import badge
from assistants.graphs import registry
from assistants.models import Assistant
from assistants.users import has_permission
from threads.admin.pages import ThreadPages
from threads.admin.search import search
from threads.admin.verbs import VERBS
from threads.encoding import encode
from threads.models import Thread
from threads.querysets import as_uuid
from threads.serializers.threads import ThreadSerializer
from threads.sharing import ThreadShare, groups_open_to

NO_TITLE = "—"


class ThreadShareInline(admin.TabularInline):
    model = ThreadShare
    extra = 0
    verbose_name = _("share")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As the API's: one permission for all that is done to shares."""
        return has_permission(request.user, "threads.share_thread")

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "group":
            kwargs["queryset"] = groups_open_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class ThreadChangeList(ChangeList):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.query:  # the days of what was found would be looked for among all threads
            self.date_hierarchy = None

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        threads: Any = self.model_admin
        threads.complete(list(self.result_list))


class MetadataFilter(admin.SimpleListFilter):
    """By what the metadata have under a key."""

    key: str

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(metadata__contains={self.key: self.value()}) if self.value() else queryset


class GraphFilter(MetadataFilter):
    title, parameter_name, key = _("graph"), "graph", "graph_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(graph_id, graph_id) for graph_id in sorted(registry.ids())]


class AssistantFilter(MetadataFilter):
    title, parameter_name, key = _("assistant"), "assistant", "assistant_id"
    MOST = 100

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = Assistant.objects.order_by("name").values_list("pk", "name")[: self.MOST]
        return [(str(pk), name) for pk, name in found]


@admin.register(Thread)
class ThreadAdmin(ThreadPages):
    """The threads that the API shows to the user too."""

    list_display = ["name", "state", "graph", "assistant", "owner", "number_of_messages", "updated_at"]
    list_filter = ["status", GraphFilter, AssistantFilter, "created_at"]
    list_select_related = ["owner"]
    list_per_page = 50
    paginator = CappedPaginator
    date_hierarchy = "created_at"
    search_fields = ["id", "external_id", "title"]
    search_help_text = _(
        "An id, an external id, the name of an owner, or words of the messages, or how they begin"
    )
    raw_id_fields = ["owner"]
    inlines = [ThreadShareInline]
    show_full_result_count = False
    verbs = VERBS
    actions = ["export"]
    fieldsets = [
        (None, {"fields": ["owner", "external_id"]}),
        (_("Metadata and config"), {"fields": ["metadata", "config"], "classes": ["collapse"]}),
        (_("Time to live"), {"fields": ["ttl_minutes", "ttl_strategy"], "classes": ["collapse"]}),
    ]
    readonly_fields = ["external_id"]

    def thread_of(self, obj: Thread) -> Thread:
        return obj

    def get_autocomplete_fields(self, request: HttpRequest) -> Any:
        """The owner, where the project's admin can search its users."""
        users: Any = Thread._meta.get_field("owner").related_model
        return ["owner"] if getattr(self.admin_site._registry.get(users), "search_fields", ()) else []

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ThreadChangeList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """What people wrote is for those who may read it."""
        first = "name" if self.sees_content(request) else "pk"
        return [first, *[column for column in self.list_display if column != "name"]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Thread]:
        threads: Any = super().get_queryset(request)
        return threads.visible_to(request.user).without_values()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Thread], search_term: str
    ) -> tuple[QuerySet[Thread], bool]:
        found: Any = queryset
        return search(found, search_term, content=self.sees_content(request)), False

    def complete(self, threads: list[Any]) -> None:
        """Give the threads of a list what their rows do not have, in one query for all."""
        ids = {thread.metadata.get("assistant_id") for thread in threads}
        names = {str(pk): name for pk, name in _assistants(ids).values_list("pk", "name")}
        for thread in threads:
            thread.assistant_name = names.get(thread.metadata.get("assistant_id"), "")

    def summary(self, request: HttpRequest, obj: Any) -> list[tuple[Any, Any]]:
        self.complete([obj])
        return [
            (_("Status"), self.state(obj)),
            (_("Title"), obj.title[:100] if self.sees_content(request) else ""),
            (_("Graph"), obj.graph_id),
            (_("Assistant"), obj.assistant_name),
            (_("Owner"), obj.owner),
            (_("Messages"), obj.message_count),
            (_("Error"), _failure(obj) if self.sees_content(request) else ""),
            (_("Expires"), obj.expires_at),
            (_("Created"), obj.created_at),
            (_("Updated"), obj.updated_at),
        ]

    def save_model(self, request: HttpRequest, obj: Thread, form: Any, change: bool) -> None:
        """Only what was edited: runs change the rest of the row meanwhile."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        changed = list(form.changed_data)
        if {"ttl_minutes", "ttl_strategy"} & {*changed}:
            obj.live_for({"ttl": obj.ttl_minutes, "strategy": obj.ttl_strategy})
            changed += ["ttl_minutes", "ttl_strategy", "expires_at"]
        if changed:
            obj.save(update_fields=changed)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The threads by name and all else by number: a thread may have thousands of runs."""
        threads = list(objs)
        allowed = all(self.has_delete_permission(request, thread) for thread in threads)
        lacking = set() if allowed else {str(self.opts.verbose_name)}
        return [str(thread) for thread in threads], {self.opts.verbose_name_plural: len(threads)}, lacking, []

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Thread]) -> None:
        """One after another, each in a transaction of its own: none waits for the locks of all."""
        for thread in queryset:
            thread.delete()

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and self.sees_content(request)

    @admin.action(description=_("Export selected threads as JSON"), permissions=["export"])
    def export(self, request: HttpRequest, queryset: QuerySet[Thread]) -> HttpResponseBase | None:
        """A list of threads as the API shows them, with their values."""
        ids = self.chosen(request, queryset.values_list("pk", flat=True))
        if ids is None:
            return None
        headers = {"Content-Disposition": 'attachment; filename="threads.json"'}
        return StreamingHttpResponse(_exported(ids), content_type="application/json", headers=headers)

    @admin.display(description=_("title"), ordering="title")
    def name(self, thread: Thread) -> str:
        return " ".join(thread.title.split())[:80] or thread.external_id or NO_TITLE

    @admin.display(description=_("status"), ordering="status")
    def state(self, thread: Thread) -> Any:
        return badge(thread.status, thread.get_status_display())

    @admin.display(description=_("messages"), ordering="message_count")
    def number_of_messages(self, thread: Thread) -> int | None:
        return thread.message_count

    @admin.display(description=_("graph"))
    def graph(self, thread: Thread) -> str:
        return str(thread.graph_id or "")

    @admin.display(description=_("assistant"))
    def assistant(self, thread: Any) -> str:
        return thread.assistant_name


def _assistants(ids: set[Any]) -> QuerySet[Assistant]:
    known = {found for name in ids if isinstance(name, str) and (found := as_uuid(name))}
    return Assistant.objects.filter(pk__in=known)


def _failure(thread: Thread) -> str:
    error = thread.error if isinstance(thread.error, dict) else {}
    return f"{error.get('error', '')}: {error.get('message', '')}"[:500] if error else ""


def _exported(ids: list[Any]) -> Iterator[str]:
    """One thread at a time: their states may be large."""
    mark = "["
    for pk in ids:
        thread = Thread.objects.filter(pk=pk).first()
        if thread is not None:
            yield mark + encode(ThreadSerializer(thread).data)
            mark = ",\n"
    yield "]" if mark != "[" else "[]"
