"""Form fields made from the JSON schema of an object, and the object made of what was filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.html import escape
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assistants.console.fields import JSONField

# More would be no form.
MAX_FIELDS = 60
# Longer texts have a field of several lines.
ONE_LINE = 80

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class TypedJSONField(JSONField):
    """JSON of one type: ``list`` or ``dict``, or any if that is ``object``."""

    def __init__(self, kind: type = object, **options: Any) -> None:
        super().__init__(**options)
        self.kind = kind

    def clean(self, value: Any) -> Any:
        cleaned = super().clean(value)
        if cleaned is not None and not isinstance(cleaned, self.kind):
            asked = gettext("a list") if self.kind is list else gettext("an object")
            raise forms.ValidationError(_("This must be %(kind)s."), params={"kind": asked})
        return cleaned

    def has_changed(self, initial: Any, data: Any) -> bool:
        """As Django has it, for the history says what was changed."""
        return forms.JSONField.has_changed(self, initial, data)


def fields_of(schema: Any, values: dict[str, Any]) -> dict[str, forms.Field]:
    """A field for each property, by name; {} where the schema has none, or too many, for a form.

    None is required: what is left empty is not set. A value that the property does not allow gets JSON's
    field, so that the form shows it as it is.
    """
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not 0 < len(properties) <= MAX_FIELDS:
        return {}
    return {
        name: _field(_resolved(found, schema), name, values.get(name)) for name, found in properties.items()
    }


def filled_in(names: Iterable[str], cleaned: dict[str, Any]) -> dict[str, Any]:
    """The object: of these properties those that are set. ``cleaned`` is what their fields came to."""
    return {name: cleaned[name] for name in names if cleaned.get(name) is not None}


def _resolved(schema: Any, root: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """The schema without references, and without null beside one other type."""
    if not isinstance(schema, dict) or depth > 10:
        return {}
    told = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    if (reference := schema.get("$ref")) is not None:
        definitions = root.get("$defs", {})
        return _resolved(definitions.get(str(reference).rpartition("/")[2]), root, depth + 1) | told
    for several in ("anyOf", "oneOf", "allOf"):
        kinds = [kind for kind in schema.get(several, []) if kind != {"type": "null"}]
        if several in schema:
            return (_resolved(kinds[0], root, depth + 1) if len(kinds) == 1 else {}) | told
    return schema


def _field(schema: dict[str, Any], name: str, value: Any) -> forms.Field:
    told: dict[str, Any] = {"required": False, "label": name, "help_text": _help(schema)}
    kind = schema.get("type")
    choices = [True, False] if kind == "boolean" else schema.get("enum")
    if isinstance(choices, list) and choices and (value is None or _is_in(value, choices)):
        return _choice(choices, value, told)
    fits = value is None or (
        isinstance(value, TYPES.get(str(kind), ())) and (kind == "boolean" or not isinstance(value, bool))
    )
    told["initial"] = value
    if fits and kind in ("integer", "number") and choices is None:
        return _number(schema, told)
    if fits and kind == "string" and choices is None and value != "":
        return _text(schema, value, told)
    types: Any = TYPES.get(str(kind), (object,)) if fits and kind in ("array", "object") else (object,)
    return TypedJSONField(types[0], widget=forms.Textarea(attrs={"rows": 3}), **told)


def _choice(choices: list[Any], value: Any, told: dict[str, Any]) -> forms.Field:
    named = {True: _("yes"), False: _("no")}
    shown = [
        (json.dumps(choice), named[choice] if isinstance(choice, bool) else str(choice)) for choice in choices
    ]
    told["initial"] = "" if value is None else json.dumps(value)
    return forms.TypedChoiceField(choices=[("", "—"), *shown], coerce=json.loads, empty_value=None, **told)


def _number(schema: dict[str, Any], told: dict[str, Any]) -> forms.Field:
    field = forms.IntegerField if schema["type"] == "integer" else forms.FloatField
    least, most = schema.get("minimum"), schema.get("maximum")
    return field(min_value=least, max_value=most, **told)


def _text(schema: dict[str, Any], value: Any, told: dict[str, Any]) -> forms.Field:
    long = max(len(str(text or "")) for text in (value, schema.get("default"))) > ONE_LINE
    lines = "\n" in str(value or "")
    widget = forms.Textarea(attrs={"rows": 6}) if long or lines else forms.TextInput()
    field = forms.CharField(
        strip=False,
        empty_value=None,
        widget=widget,
        min_length=schema.get("minLength"),
        max_length=schema.get("maxLength"),
        **told,
    )
    try:
        pattern = re.compile(schema["pattern"]) if "pattern" in schema else None
    except re.error:  # JavaScript's, which are not all Python's
        pattern = None
    if pattern is not None:
        field.validators.append(RegexValidator(pattern))
    return field


def _help(schema: dict[str, Any]) -> str:
    """Escaped: Django's templates take help texts for HTML."""
    parts = [str(schema.get("description") or "")]
    if schema.get("default") is not None:
        default = json.dumps(schema["default"], ensure_ascii=False, default=str)
        parts.append(gettext("Default: %(default)s") % {"default": default[:ONE_LINE]})
    return escape(" ".join(part for part in parts if part))


def _is_in(value: Any, choices: list[Any]) -> bool:
    """As JSON has it: there true is not 1."""
    return json.dumps(value) in [json.dumps(choice) for choice in choices]
