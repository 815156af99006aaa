"""How operators run: what they fill in becomes what a client would send, and is checked as that."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from assistants.console.fields import JSONField, checked
from assistants.console.schema_form import fields_of, filled_in
from assistants.database import execute
from assistants.models import Assistant
from runs.models import Run
from runs.serializers import RunCreateSerializer
from runs.stream_modes import STREAM_MODES
from threads.models import Thread

SHOWN_MODES = ["values", "updates", "messages"]
# Characters of a schema that a form is made from.
MAX_SCHEMA = 50_000


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
            self.body = checked(RunCreateSerializer(data=self.asked(data)))
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
    """What goes on from an interrupt, with fields for the answer that it asks for, if it says so."""

    answer = forms.CharField(
        label=_("Answer"),
        help_text=_("JSON, or text. To several interrupts: an object of answers by interrupt id."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    message = input = checkpoint_id = stream_mode = None  # type: ignore[assignment]
    prefix = "answer"

    def __init__(self, request: HttpRequest, thread: Thread, data: Any = None, **initial: Any) -> None:
        super().__init__(request, thread, data, **initial)
        schema = _answer_schema(thread)
        self.is_object = "properties" in schema
        asked = (
            fields_of(schema if self.is_object else {"properties": {"answer": schema}}, {}) if schema else {}
        )
        self.parts = list(asked)
        if asked:
            del self.fields["answer"]
            self.fields |= {f"answer.{name}": field for name, field in asked.items()}
            self.order_fields([f"answer.{name}" for name in asked])
        else:
            self.order_fields(["answer"])

    def asked(self, data: dict[str, Any]) -> dict[str, Any]:
        asked = {"assistant_id": str(data["assistant"].pk), "command": {"resume": self.answered(data)}}
        return {**asked, "stream_mode": SHOWN_MODES}

    def answered(self, data: dict[str, Any]) -> Any:
        if self.parts:
            filled = filled_in(self.parts, {name: data.get(f"answer.{name}") for name in self.parts})
            return filled if self.is_object else filled.get("answer")
        try:
            return json.loads(data["answer"])
        except ValueError:
            return data["answer"]


# Without the interrupts themselves, which may be large.
ANSWER_SCHEMAS = """
SELECT schemas FROM threads_thread, jsonb_path_query_array(interrupts, '$.*[*].response_schema') AS schemas
WHERE id = %(id)s AND length(schemas::text) < %(most)s
"""


def _answer_schema(thread: Thread) -> dict[str, Any]:
    """Of the answer that the thread's interrupt asks for; {} where there is none, or several."""
    for row in execute(ANSWER_SCHEMAS, {"id": thread.pk, "most": MAX_SCHEMA}):
        schemas = json.loads(row["schemas"])
        return schemas[0] if len(schemas) == 1 and isinstance(schemas[0], dict) else {}
    return {}
