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
from threads.admin import branches
from threads.admin.editing import StateEditing
from threads.models import Thread

# Of what a step has changed: so many keys, and so much of each.
MAX_CHANGES = 50
MAX_NODES = 500
# Interrupts stand in lists by task, and have keys of their own: a question is to be seen at once.
ASKED = 5


class ThreadPages(StateEditing):
    """All but the graph are only for those who may read what threads hold."""

    class Media:
        css = {"all": ["threads/threads.css"]}

    def panels(self, request: HttpRequest, obj: Thread) -> list[Panel]:
        graph = Panel("graph", _("Graph"), self.url("graph", obj.pk))
        if not self.sees_content(request):
            return [graph]
        interrupted = [Panel("interrupts", _("Interrupts"), self.url("interrupts", obj.pk), open=True)]
        return [
            *(interrupted if obj.status == Thread.Status.INTERRUPTED else []),
            Panel("conversation", _("Conversation"), self.url("conversation", obj.pk), open=True),
            Panel("state", _("State"), self.url("state", obj.pk)),
            Panel("checkpoints", _("Checkpoints"), self.url("checkpoints", obj.pk)),
            graph,
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
        template, title = "admin/threads/conversation.html", _("Conversation")
        return self.panel(request, template, title, object=thread, part=part)

    def state_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        thread = self.found(request, pk, content=True)
        values = conversation.values(thread)
        return self.panel(request, "admin/threads/state.html", _("State"), object=thread, values=values)

    def graph_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The graph, with the nodes marked that are next, or that execute now: no content."""
        thread = self.found(request, pk)
        graph, marked = state.graph_of(thread), list[str]()
        is_large = graph is not None and conversation.is_large(thread)
        if graph is not None and not is_large:
            marked = state.read(thread)["next"]
        drawn = {} if graph is None else introspection.drawing(graph, xray=False)
        context = {"object": thread, "picture": picture(drawn, marked=marked), "marked": marked}
        context |= {"is_unmarked": is_large, "is_active": thread.status == Thread.Status.BUSY}
        return self.panel(request, "admin/assistants/graph.html", _("Graph"), **context)

    def interrupts_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        thread = self.found(request, pk, content=True)
        is_large = conversation.is_large(thread, "interrupts")
        tree = "" if is_large else json_tree(thread.interrupts or {}, unfolded=ASKED)
        return self.panel(request, "admin/threads/interrupts.html", _("Interrupts"), object=thread, tree=tree)

    def checkpoints_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """A page of the timeline, older than ``before``, below the ``lines`` of the page before."""
        thread = self.found(request, pk, content=True)
        before = request.GET.get("before", "").replace("\0", "")[:64]
        steps, more = timeline.steps(thread, before)
        rows, lines = branches.rows(steps, branches.parse(request.GET.get("lines", "")) if before else [])
        shown = [(step, branches.drawn(row)) for step, row in zip(steps, rows, strict=True)]
        context: dict[str, Any] = {"object": thread, "steps": shown, "lanes": branches.width(rows)}
        context["more"] = more and steps[-1].checkpoint_id
        context |= {"lines": branches.written(lines), "is_first": not before}
        return self.panel(request, "admin/threads/checkpoints.html", _("Checkpoints"), **context)

    def checkpoint_view(self, request: HttpRequest, pk: UUID, checkpoint_id: UUID) -> HttpResponse:
        """What one step has changed, and what can be done from there."""
        thread = self.found(request, pk, content=True)
        if not timeline.exists(thread, str(checkpoint_id)):
            raise Http404
        changes = timeline.changes(thread, str(checkpoint_id))
        context = {
            "object": thread,
            "changes": (changes or [])[:MAX_CHANGES],
            "max_nodes": MAX_NODES,
            "left_out": max(len(changes or []) - MAX_CHANGES, 0),
            "is_too_large": changes is None,
            "edits": self.edits(request, thread),
        }
        template, title = "admin/threads/checkpoint.html", _("Checkpoint")
        return self.panel(request, template, title, checkpoint_id=checkpoint_id, **context)
