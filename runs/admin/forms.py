"""How operators run: what they fill in becomes what a client would send, and is checked as that."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from assistants.console.fields import JSONField
from assistants.models import Assistant
from runs.models import Run
from runs.serializers import RunCreateSerializer
from runs.stream_modes import STREAM_MODES
from threads.models import Thread

SHOWN_MODES = ["values", "updates", "messages"]


class RunForm(forms.Form):
    """A run of an assistant on a thread. Without any input it goes on from the checkpoint."""

    message = forms.CharField(required=False, label=_("Message"), widget=forms.Textarea(attrs={"rows": 3}))
    assistant = forms.ModelChoiceField(Assistant.objects.none(), label=_("Assistant"))
    input = JSONField(
        required=False,
        label=_("Input as JSON"),
        help_text=_("In place of a message."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    checkpoint_id = forms.UUIDField(
        required=False, label=_("From checkpoint"), help_text=_("Without one, from the latest.")
    )
    stream_mode = forms.MultipleChoiceField(
        required=False,
        label=_("Stream modes"),
        choices=[(mode, mode) for mode in STREAM_MODES],
        initial=SHOWN_MODES,
        widget=forms.CheckboxSelectMultiple,
    )
    prefix = "run"

    def __init__(self, request: HttpRequest, thread: Thread, data: Any = None, **initial: Any) -> None:
        used = thread.metadata.get("assistant_id")
        super().__init__(data, initial={"assistant": used, **initial})
        self.request, self.thread = request, thread
        choice: Any = self.fields["assistant"]
        choice.queryset = Assistant.objects.served().usable_by(request.user).order_by("name")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("message") and data.get("input") is not None:
            raise forms.ValidationError(_("Give a message or an input, not both."))
        if not self.errors:
            self.body = _checked(self.asked(data))
        return data

    def asked(self, data: dict[str, Any]) -> dict[str, Any]:
        """The body that a client would send."""
        given = data.get("input")
        if data.get("message"):
            given = {"messages": [{"role": "user", "content": data["message"]}]}
        checkpoint = {"checkpoint_id": str(data["checkpoint_id"])} if data.get("checkpoint_id") else {}
        modes = {"stream_mode": data["stream_mode"]} if data.get("stream_mode") else {}
        return {"assistant_id": str(data["assistant"].pk), "input": given, **checkpoint, **modes}

    def submit(self) -> Run:
        """Raises what ``Run.objects.submit`` raises."""
        return Run.objects.submit(
            self.thread,
            self.cleaned_data["assistant"],
            kwargs=self.body.run_kwargs,
            user=self.request.user,
        )


class AnswerForm(RunForm):
    """What goes on from an interrupt."""

    answer = forms.CharField(
        label=_("Answer"),
        help_text=_("JSON, or text. To several interrupts: an object of answers by interrupt id."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    message = input = checkpoint_id = stream_mode = None  # type: ignore[assignment]
    field_order = ["answer", "assistant"]
    prefix = "answer"

    def asked(self, data: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = json.loads(data["answer"])
        except ValueError:
            answer = data["answer"]
        asked = {"assistant_id": str(data["assistant"].pk), "command": {"resume": answer}}
        return {**asked, "stream_mode": SHOWN_MODES}


def _checked(body: dict[str, Any]) -> RunCreateSerializer:
    checked = RunCreateSerializer(data=body)
    try:
        checked.is_valid(raise_exception=True)
    except ValidationError as exc:
        raise forms.ValidationError(str(exc.detail)) from exc
    return checked
