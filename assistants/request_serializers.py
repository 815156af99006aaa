from __future__ import annotations

from copy import copy
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty


class RequestSerializer(serializers.Serializer[None]):
    """For bodies and queries. REST framework makes a serializer's fields anew for each, by deep copies.

    That takes longer than to validate with them. Shallow copies are enough for fields that keep nothing of
    what they validate, and ask nothing of those they stand in; and of most fields of a body none is needed,
    for it has no such key.
    """

    def get_fields(self) -> dict[str, Any]:
        given = getattr(self, "initial_data", None)
        fields = list(self._declared_fields.items())
        if type(given) is dict:  # of a query's fields, some have a value when it has none
            fields = [(name, field) for name, field in fields if name in given or _counts_when_absent(field)]
        return {name: copy(field) for name, field in fields}


def _counts_when_absent(field: Any) -> bool:
    return field.required or field.default is not empty
