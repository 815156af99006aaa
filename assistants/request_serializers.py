from __future__ import annotations

from copy import copy
from typing import Any

from rest_framework import serializers


class RequestSerializer(serializers.Serializer[None]):
    """For bodies and queries. REST framework makes a serializer's fields anew for each, by deep copies.

    That takes longer than to validate with them. Shallow copies are enough for fields that keep nothing of
    what they validate, and ask nothing of those they stand in.
    """

    def get_fields(self) -> dict[str, Any]:
        return {name: copy(field) for name, field in self._declared_fields.items()}
