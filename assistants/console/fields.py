"""What the console's forms are made of."""

from __future__ import annotations

from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from rest_framework.serializers import Serializer

from assistants.exceptions import first_error

S = TypeVar("S", bound=Serializer[Any])


class JSONField(forms.JSONField):
    """Django's, but that it is empty at first, and what nests too deep to be read is no error of ours."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except RecursionError as exc:
            message = self.error_messages["invalid"]
            raise ValidationError(message, code="invalid", params={"value": "[[[…"}) from exc

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except RecursionError:
            return None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return True


def checked(serializer: S) -> S:
    """The serializer, having found nothing wrong. Else raises what a form's ``clean`` raises."""
    if not serializer.is_valid():
        raise ValidationError(first_error(serializer.errors))
    return serializer
