from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from threads.api_keys import ApiKey


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    """Keys are made here, shown once, and revoked.

    Whoever holds a key is its user. So only superusers make keys for others, or see others' keys.
    """

    list_display = ["name", "prefix", "user", "created_at", "expires_at", "last_used_at", "revoked_at"]
    list_filter = ["created_at", "expires_at", "revoked_at"]
    list_select_related = ["user"]
    search_fields = ["name", "prefix"]
    show_full_result_count = False
    fields = ["user", "name", "expires_at"]
    shown_later = ["prefix", "user", "created_at", "last_used_at", "revoked_at"]
    actions = ["revoke"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        keys = super().get_queryset(request)
        return keys if _is_superuser(request) else keys.filter(user=request.user.pk)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return self.fields if obj is None else [*self.shown_later, "name", "expires_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        if obj is None:
            return []
        return [*self.shown_later, "name", "expires_at"] if obj.revoked_at else self.shown_later

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            users = db_field.remote_field.model._default_manager.all()
            kwargs["queryset"] = users if _is_superuser(request) else users.filter(pk=request.user.pk)
            kwargs["initial"] = request.user.pk
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if not change:
            request.issued_key = obj.assign()  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The page that shows the key. Not a message, which would go through a cookie or the session."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("The new API key"),
            "opts": self.opts,
            "key": obj,
            "text": request.issued_key,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/threads/apikey/issued.html", context)

    @admin.action(description=_("Revoke selected keys"), permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        revoked = [key for key in keys if key.revoke()]
        for key in revoked:
            self.log_change(request, key, "Revoked.")
        told = ngettext("%(count)d key was revoked.", "%(count)d keys were revoked.", len(revoked))
        self.message_user(request, told % {"count": len(revoked)}, messages.SUCCESS)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
