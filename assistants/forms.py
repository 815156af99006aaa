from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from assistants import introspection
from assistants.console.schema_form import TypedJSONField, fields_of, filled_in
from assistants.graphs import registry
from assistants.models import Assistant

# What a config has for every graph (runs.config.CONFIG_KEYS).
CONFIG_SCHEMA: dict[str, Any] = {
    "properties": {
        "recursion_limit": {
            "type": "integer",
            "minimum": 1,
            "description": _("The most supersteps of a run."),
        },
        "max_concurrency": {"type": "integer", "minimum": 1, "description": _("The most nodes at a time.")},
        "run_name": {"type": "string", "description": _("The name of runs in traces.")},
        "tags": {"type": "array", "description": _("A JSON list of texts, for traces.")},
    }
}
OTHERS = "others"
JSON_COLUMNS = ("config", "context", "metadata")


class AssistantForm(forms.ModelForm):
    """An assistant with its config and context as JSON."""

    class Meta:
        model = Assistant
        exclude: list[str] = []
        field_classes = dict.fromkeys(JSON_COLUMNS, TypedJSONField)
        widgets = {
            "description": forms.Textarea(attrs={"rows": 2}),
            **{name: forms.Textarea(attrs={"rows": 4}) for name in JSON_COLUMNS},
        }

    parts: dict[str, list[str]] = {}

    @classmethod
    def names_of(cls, column: str) -> list[str]:
        """The fields that the column is filled in by."""
        names = [*cls.parts[column], OTHERS] if column in cls.parts else []
        return [f"{column}.{name}" for name in names] or [column]

    def clean(self) -> dict[str, Any]:
        """Put together what was filled in part by part: ``context.temperature`` is a field of ``context``."""
        data = super().clean() or {}
        for column, names in self.parts.items():
            filled = {name: data.get(f"{column}.{name}") for name in names}
            whole = {**(data.get(f"{column}.{OTHERS}") or {}), **filled_in(names, filled)}
            data[column] = whole
            setattr(self.instance, column, whole)
        for column in JSON_COLUMNS:
            if column in data:
                data[column] = {} if data[column] is None else data[column]
            if not isinstance(data.get(column, {}), dict):
                raise forms.ValidationError({column: _("This must be an object.")})
        if not isinstance((data.get("config") or {}).get("configurable", {}), dict):
            name = f"config.{OTHERS}" if "config" in self.parts else "config"
            raise forms.ValidationError({name: _("In a config, configurable must be an object.")})
        return data


def form_for(assistant: Assistant) -> type[AssistantForm]:
    """A form with fields for what the graph's context schema names, and for what every config has.

    Context is one field of JSON where the graph has no schema of it, or is not served.
    """
    fields: dict[str, forms.Field] = {}
    parts: dict[str, list[str]] = {}
    for column, schema in (("context", context_schema(assistant)), ("config", CONFIG_SCHEMA)):
        values = getattr(assistant, column)
        if not isinstance(values, dict):
            continue
        if made := fields_of(schema, values):
            parts[column] = list(made)
            fields |= {f"{column}.{name}": field for name, field in made.items()}
            fields[f"{column}.{OTHERS}"] = _others(values, made)
    return type("AssistantForm", (AssistantForm,), {**fields, "parts": parts})


def context_schema(assistant: Assistant) -> dict[str, Any]:
    if assistant.graph_id not in registry.ids():
        return {}
    return introspection.schemas(registry.build(assistant.graph_id))["context_schema"] or {}


def _others(values: dict[str, Any], named: dict[str, forms.Field]) -> forms.Field:
    rest = {name: value for name, value in values.items() if name not in named}
    return TypedJSONField(
        dict,
        required=False,
        label=_("other keys"),
        initial=rest or None,
        help_text=_("As a JSON object."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
