"""The parts of a thread's page that are loaded by themselves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from assistants import introspection
from assistants.console.json_tree import json_tree
from assistants.console.picture import picture
from assistants.console.verbs import Panel
from threads import conversation, state, timeline
from threads.admin.managed import ManagedAdmin
from threads.models import Thread


class ThreadPages(ManagedAdmin):
    """Only for those who may read what threads hold."""

    def panels(self, request: HttpRequest, obj: Thread) -> list[Panel]:
        if not self.sees_content(request):
            return []
        interrupted = [Panel("interrupts", _("Interrupts"), self.url("interrupts", obj.pk), open=True)]
        return [
            *(interrupted if obj.status == Thread.Status.INTERRUPTED else []),
            Panel("conversation", _("Conversation"), self.url("conversation", obj.pk), open=True),
            Panel("state", _("State"), self.url("state", obj.pk)),
            Panel("checkpoints", _("Checkpoints"), self.url("checkpoints", obj.pk)),
            Panel("graph", _("Graph"), self.url("graph", obj.pk)),
        ]

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("conversation", "<uuid:pk>/conversation/", self.conversation_view),
            self.page("state", "<uuid:pk>/state/", self.state_view),
            self.page("graph", "<uuid:pk>/graph/", self.graph_view),
            self.page("interrupts", "<uuid:pk>/interrupts/", self.interrupts_view),
            self.page("checkpoints", "<uuid:pk>/checkpoints/", self.checkpoints_view),
            self.page("checkpoint", "<uuid:pk>/checkpoints/<uuid:checkpoint_id>/", self.checkpoint_view),
            *super().get_urls(),
        ]

    def conversation_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Some of the messages: without ``before``, the last."""
        thread = self.found(request, pk, content=True)
        before = request.GET.get("before", "")
        part = conversation.part(thread, int(before) if before.isdecimal() and len(before) < 10 else None)
        messages = [
            {"message": message, "calls": [(call.name, json_tree(call.args)) for call in message.tool_calls]}
            | ({"rest": json_tree(message.rest, max_nodes=200)} if message.rest else {})
            for message in part.messages
        ]
        context = {"object": thread, "part": part, "messages": messages}
        # Django's own messages have the name that ours would have in the template.
        context["shown"] = context.pop("messages")
        return self.panel(request, "admin/threads/conversation.html", _("Conversation"), **context)

    def state_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        thread = self.found(request, pk, content=True)
        values = [
            (value, "" if value.is_cut else json_tree(value.value)) for value in conversation.values(thread)
        ]
        return self.panel(request, "admin/threads/state.html", _("State"), object=thread, values=values)

    def graph_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The graph, with the nodes marked that are next."""
        thread = self.found(request, pk, content=True)
        graph, marked = state.graph_of(thread), list[str]()
        if graph is not None and not conversation.is_large(thread):
            marked = state.read(thread)["next"]
        drawn = {} if graph is None else introspection.drawing(graph, xray=False)
        context = {"object": thread, "picture": picture(drawn, marked=marked), "marked": marked}
        return self.panel(request, "admin/assistants/graph.html", _("Graph"), **context)

    def interrupts_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        thread = self.found(request, pk, content=True)
        tree = json_tree(thread.interrupts or {})
        return self.panel(request, "admin/threads/interrupts.html", _("Interrupts"), object=thread, tree=tree)

    def checkpoints_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """A page of the timeline, older than ``before``."""
        thread = self.found(request, pk, content=True)
        before = request.GET.get("before", "").replace("\0", "")[:64]
        steps, more = timeline.steps(thread, before)
        context: dict[str, Any] = {"object": thread, "steps": steps, "more": more and steps[-1].checkpoint_id}
        return self.panel(request, "admin/threads/checkpoints.html", _("Checkpoints"), **context)

    def checkpoint_view(self, request: HttpRequest, pk: UUID, checkpoint_id: UUID) -> HttpResponse:
        """What one step has changed."""
        thread = self.found(request, pk, content=True)
        changes = timeline.changes(thread, str(checkpoint_id))
        if changes == []:
            steps, _more = timeline.steps(thread)
            if not any(step.checkpoint_id == str(checkpoint_id) for step in steps) and not steps:
                raise Http404
        shown = [
            {
                "key": change.key,
                "added": change.added is not None and json_tree(change.added),
                "before": change.added is None and change.before is not None and json_tree(change.before),
                "after": change.added is None and json_tree(change.after),
            }
            for change in changes or []
        ]
        context = {"object": thread, "changes": shown, "is_too_large": changes is None}
        return self.panel(
            request, "admin/threads/checkpoint.html", _("Checkpoint"), checkpoint_id=checkpoint_id, **context
        )
