"""What can be done to an object in the admin: on its page, or to many at once from their list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException

from assistants.users import has_permission

# How many objects one action takes: it is done within one request.
MAX_CHOSEN = 1000
# The names that a question lists.
NAMES_SHOWN = 20

CONFIRM = "admin/assistants/confirm.html"
PANEL_HEADER = "X-Console-Panel"


@dataclass(frozen=True, kw_only=True)
class Verb:
    """Something to do. ``do`` takes the request and the object; what it returns is told to the user.

    It may raise an APIException: then nothing was done. ``question`` is asked before what destroys, and
    ``form`` makes the form to be filled in before, of the request and its data or None: ``do`` then takes its
    cleaned data too. ``deletes`` says that the object is gone afterwards. ``atomic`` is false for what has a
    transaction of its own. ``access`` is what one needs of the object beside the permissions, where that
    differs from object to object.
    """

    name: str
    label: Any
    permissions: tuple[str, ...]
    access: str = "run"
    do: Callable[..., Any]
    form: Callable[[HttpRequest, Any], forms.Form] | None = None
    question: Any = ""
    deletes: bool = False
    atomic: bool = True
    bulk: bool = True
    applies: Callable[[Any], bool] = lambda obj: True


class Panel(NamedTuple):
    """A part of a page that is loaded by itself: a slow or a large one does not hold up the others."""

    name: str
    title: Any
    url: str
    open: bool = False


class ConsoleAdmin(admin.ModelAdmin):
    """An admin with verbs, panels and a summary above the fields."""

    verbs: Sequence[Verb] = ()
    change_form_template = "admin/assistants/console_change_form.html"
    content_permission = "threads.view_thread_content"

    class Media:
        css = {"all": ["assistants/console.css"]}
        js = ["assistants/console.js"]

    def may(self, request: HttpRequest, verb: Verb, obj: Model | None = None) -> bool:
        """Whether the user may do this, to this object if there is one."""
        return all(has_permission(request.user, permission) for permission in verb.permissions)

    def sees_content(self, request: HttpRequest) -> bool:
        """Whether the user may read what threads and runs hold."""
        return has_permission(request.user, self.content_permission)

    def panels(self, request: HttpRequest, obj: Any) -> list[Panel]:
        return []

    def links(self, request: HttpRequest, obj: Any) -> list[tuple[Any, str]]:
        """Labels and addresses of further pages on which something is done to the object."""
        return []

    def summary(self, request: HttpRequest, obj: Any) -> list[tuple[Any, Any]]:
        """Labels and values for the head of the object's page; values that are empty are left out."""
        return []

    def url(self, name: str, *args: Any) -> str:
        """Of a page of this admin."""
        opts = self.opts
        site = self.admin_site.name
        return reverse(f"{site}:{opts.app_label}_{opts.model_name}_{name}", args=args)

    def get_urls(self) -> list[URLPattern]:
        return [self.page("verb", "<uuid:pk>/do/<slug:verb>/", self.verb_view), *super().get_urls()]

    def page(self, name: str, route: str, view: Callable[..., Any]) -> URLPattern:
        """A page of this admin's own, for those who are logged in as staff."""
        full = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(route, self.admin_site.admin_view(view), name=full)

    def found(self, request: HttpRequest, pk: UUID, *, content: bool = False) -> Any:
        """The object, for a user who may view it, and with ``content`` read what it holds."""
        obj = self.get_queryset(request).filter(pk=pk).first()
        if obj is None:
            raise Http404
        if not self.has_view_permission(request, obj) or (content and not self.sees_content(request)):
            raise PermissionDenied
        return obj

    def panel(self, request: HttpRequest, template: str, title: Any, **context: Any) -> HttpResponse:
        """Part of a page for our script, a page of its own for those without."""
        is_part = PANEL_HEADER in request.headers
        base = "admin/assistants/panel.html" if is_part else "admin/assistants/panel_page.html"
        common = self.admin_site.each_context(request)
        context = {**common, "opts": self.opts, "title": title, "media": self.media, "base": base, **context}
        return TemplateResponse(request, template, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        if obj is None or not self.has_view_permission(request, obj):
            return super().change_view(request, object_id, form_url, extra_context)
        shown = [
            (verb, self.url("verb", obj.pk, verb.name))
            for verb in self.verbs
            if verb.applies(obj) and self.may(request, verb, obj)
        ]
        extra: dict[str, Any] = {"verbs": shown, "links": self.links(request, obj)}
        extra |= {"panels": self.panels(request, obj), "summary": self.summary(request, obj)}
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def verb_view(self, request: HttpRequest, pk: UUID, verb: str) -> HttpResponse:
        """Do it, by POST; ask before, for what destroys, and for those who come by GET."""
        obj = self.found(request, pk)
        chosen = next((known for known in self.verbs if known.name == verb), None)
        if chosen is None:
            raise Http404
        if not self.may(request, chosen, obj):
            raise PermissionDenied
        form = _filled_in(request, chosen)
        if request.method != "POST" or _is_to_ask(request, chosen, form):
            return self._ask(request, chosen, [obj], form)
        self._do(request, chosen, [obj], form)
        exists = self.get_queryset(request).filter(pk=pk).exists()
        return HttpResponseRedirect(self.url("change", pk) if exists else self.url("changelist"))

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        for verb in self.verbs:
            if verb.bulk and self.may(request, verb):
                actions[verb.name] = (_action(verb), verb.name, verb.label)
        return actions

    def chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any] | None:
        """What an action is for; None, and the user is told, if that is more than one action takes."""
        found = list(queryset[: MAX_CHOSEN + 1])
        if len(found) <= MAX_CHOSEN:
            return found
        text = _("At most %(count)d can be chosen at a time.") % {"count": MAX_CHOSEN}
        self.message_user(request, text, messages.ERROR)
        return None

    def act(self, request: HttpRequest, verb: Verb, queryset: QuerySet[Any]) -> HttpResponse | None:
        """The verb for many objects; those to which the user may not do it are left alone."""
        objects = self.chosen(request, queryset)
        if objects is None:
            return None
        form = _filled_in(request, verb)
        if _is_to_ask(request, verb, form):
            return self._ask(request, verb, objects, form)
        allowed = [obj for obj in objects if self.may(request, verb, obj)]
        self._do(request, verb, allowed, form)
        if refused := len(objects) - len(allowed):
            text = _("%(count)d are not yours to change.") % {"count": refused}
            self.message_user(request, text, messages.ERROR)
        return None

    def _ask(self, request: HttpRequest, verb: Verb, objects: list[Any], form: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": capfirst(str(verb.label)),
            "verb": verb,
            "form": form,
            "opts": self.opts,
            "media": self.media,
            "objects": objects[:NAMES_SHOWN],
            "more": max(len(objects) - NAMES_SHOWN, 0),
            "chosen": objects if "action" in request.POST else [],
            "back": self.url("changelist") if "action" in request.POST else self.url("change", objects[0].pk),
        }
        return TemplateResponse(request, CONFIRM, context)

    def _do(self, request: HttpRequest, verb: Verb, objects: list[Any], form: Any) -> None:
        done, told = 0, ""
        given = [] if form is None else [form.cleaned_data]
        for obj in objects:
            try:
                with transaction.atomic() if verb.atomic else nullcontext():
                    if verb.deletes:  # while it is there
                        self.log_deletions(request, type(obj)._default_manager.filter(pk=obj.pk))
                    told = str(verb.do(request, obj, *given) or "")
                    if not verb.deletes:
                        self.log_change(request, obj, str(verb.label))
                done += 1
            except APIException as exc:
                self.message_user(request, f"{obj}: {exc.detail}", messages.ERROR)
        if done:
            text = _("%(verb)s: done for %(count)d.") % {"verb": capfirst(str(verb.label)), "count": done}
            self.message_user(request, told if told and done == 1 else text, messages.SUCCESS)


def _filled_in(request: HttpRequest, verb: Verb) -> forms.Form | None:
    if verb.form is None:
        return None
    return verb.form(request, request.POST if "confirmed" in request.POST else None)


def _is_to_ask(request: HttpRequest, verb: Verb, form: forms.Form | None) -> bool:
    """Whether there is something to be confirmed or filled in yet."""
    if form is not None:
        return not form.is_valid()
    return bool(verb.question) and "confirmed" not in request.POST


def _action(verb: Verb) -> Any:
    def act(modeladmin: ConsoleAdmin, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        return modeladmin.act(request, verb, chosen)

    return act


def badge(status: Any, label: Any) -> SafeString:
    """A status in its colour."""
    return format_html('<span class="console-badge console-{}">{}</span>', status, label)
