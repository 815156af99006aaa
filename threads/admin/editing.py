"""Pages that edit the state of a thread: as a node would, or back to an earlier checkpoint."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException

from assistants.console.fields import JSONField, checked
from assistants.console.verbs import Verb
from threads import conversation, state, timeline
from threads.admin.managed import ManagedAdmin
from threads.models import Thread
from threads.querysets import as_uuid
from threads.serializers.states import StateUpdateSerializer

# Whose permissions editing takes; what it does is in the form.
EDIT = Verb(
    name="edit",
    label=_("edit the state"),
    permissions=("threads.change_state", "threads.view_thread_content"),
    do=lambda request, thread: None,
)
# LangGraph's name for an update that is none: the checkpoint again, as the latest.
COPY = "__copy__"


class StateForm(forms.Form):
    """What a client would send to edit the state, checked as that."""

    values = JSONField(
        required=False,
        label=_("Values"),
        help_text=_(
            "A JSON object, written as a node writes: the graph's reducers merge it into the state, and keys "
            "that are left out stay as they are."
        ),
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )
    as_node = forms.ChoiceField(
        required=False,
        label=_("As node"),
        help_text=_("The thread then stands behind this node, and what follows it is next."),
    )
    checkpoint_id = forms.UUIDField(
        required=False, label=_("At checkpoint"), help_text=_("Without one, at the latest.")
    )
    prefix = "state"

    def __init__(self, thread: Thread, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.thread = thread
        nodes: Any = self.fields["as_node"]
        nodes.choices = [("", _("The last that wrote")), *((name, name) for name in state.nodes(thread))]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        checkpoint = data.get("checkpoint_id")
        body = {
            "values": data.get("values"),
            "as_node": data.get("as_node") or None,
            "checkpoint_id": str(checkpoint) if checkpoint else None,
        }
        self.body = checked(StateUpdateSerializer(data=body)).validated_data
        return data

    def submit(self) -> None:
        """Raises what ``state.update`` raises."""
        checkpoint = {"checkpoint_id": self.body["checkpoint_id"]}
        values = self.body["values"] or [None]
        state.update(self.thread, values, as_node=self.body["as_node"], checkpoint=checkpoint)


class StateEditing(ManagedAdmin):
    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("edit_state", "<uuid:pk>/state/edit/", self.edit_view),
            self.page("fork", "<uuid:pk>/checkpoints/<uuid:checkpoint_id>/fork/", self.fork_view),
            *super().get_urls(),
        ]

    def edits(self, request: HttpRequest, thread: Thread) -> bool:
        """Whether the user may edit the state of the thread."""
        return self.may(request, EDIT, thread)

    def links(self, request: HttpRequest, obj: Thread) -> list[tuple[Any, str]]:
        edit = [(EDIT.label, self.url("edit_state", obj.pk))] if self.edits(request, obj) else []
        return [*super().links(request, obj), *edit]

    def edit_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The state, latest or at ``checkpoint``, and what is to be written there."""
        thread = self._edited(request, pk)
        chosen = as_uuid(request.GET.get("checkpoint", ""))
        if chosen is not None and not timeline.exists(thread, str(chosen)):
            raise Http404
        data = request.POST if request.method == "POST" else None
        form = StateForm(thread, data, initial={"checkpoint_id": chosen})
        if form.is_valid():
            try:
                form.submit()
            except APIException as exc:
                form.add_error(None, str(exc.detail))
            else:
                return self._done(request, thread, _as_told(form.body))
        context = {"object": thread, "form": form, "values": _values(thread, chosen), "chosen": chosen}
        template = "admin/threads/edit_state.html"
        return self.panel(request, template, _("Edit the state"), **context)

    def fork_view(self, request: HttpRequest, pk: UUID, checkpoint_id: UUID) -> HttpResponse:
        """Make a copy of the checkpoint the latest: the thread goes on from there, and no branch is lost."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        thread = self._edited(request, pk)
        try:
            state.update(thread, [None], as_node=COPY, checkpoint={"checkpoint_id": str(checkpoint_id)})
        except APIException as exc:
            self.message_user(request, str(exc.detail), messages.ERROR)
            return HttpResponseRedirect(self.url("change", pk))
        return self._done(request, thread, gettext("go back to checkpoint %(id)s") % {"id": checkpoint_id})

    def _edited(self, request: HttpRequest, pk: UUID) -> Thread:
        thread: Thread = self.found(request, pk, content=True)
        if not self.edits(request, thread):
            raise PermissionDenied
        return thread

    def _done(self, request: HttpRequest, thread: Thread, told: str) -> HttpResponse:
        self.log_change(request, thread, told)
        self.message_user(request, gettext("The thread has a new checkpoint."), messages.SUCCESS)
        return HttpResponseRedirect(self.url("change", thread.pk))


def _as_told(body: dict[str, Any]) -> str:
    """For the history: where, not what."""
    node, checkpoint = body["as_node"], body["checkpoint_id"]
    told = gettext("edit the state as node %(node)s") % {"node": node} if node else gettext("edit the state")
    return f"{told}, " + gettext("at checkpoint %(id)s") % {"id": checkpoint} if checkpoint else told


def _values(thread: Thread, checkpoint_id: UUID | None) -> list[conversation.Value] | None:
    """The keys of the state, latest or at that checkpoint; None if it is too large to be read there."""
    if checkpoint_id is None:
        return conversation.values(thread)
    values = timeline.values(thread, str(checkpoint_id))
    return None if values is None else conversation.cut(values)
