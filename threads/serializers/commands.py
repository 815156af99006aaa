from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

SEND_SCHEMA = {
    "type": "object",
    "properties": {"node": {"type": "string"}, "input": {}},
    "required": ["node"],
}
TARGET_SCHEMA = {"oneOf": [{"type": "string"}, SEND_SCHEMA]}


@extend_schema_field({"oneOf": [TARGET_SCHEMA, {"type": "array", "items": TARGET_SCHEMA}]})
class GotoField(serializers.Field):
    """A node, a ``{"node", "input"}``, or a list of both."""

    def to_internal_value(self, value: Any) -> Any:
        for target in value if isinstance(value, list) else [value]:
            node = target.get("node") if isinstance(target, dict) else target
            if not isinstance(node, str):
                raise serializers.ValidationError('Must be a node, a {"node", "input"} or a list of them.')
        return value

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(
    {
        "oneOf": [
            {"type": "object"},
            {"type": "array", "items": {"type": "array", "minItems": 2, "maxItems": 2}},
        ]
    }
)
class UpdateField(serializers.Field):
    """An update of a state: an object, or a list of ``[key, value]`` pairs."""

    def to_internal_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        if isinstance(value, list) and all(
            isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in value
        ):
            return value
        raise serializers.ValidationError("Must be an object or a list of [key, value] pairs.")

    def to_representation(self, value: Any) -> Any:
        return value


class CommandSerializer(serializers.Serializer[None]):
    """How to go on: with an answer to an interrupt, an update of the state, at other nodes."""

    resume = serializers.JSONField(
        required=False, allow_null=True, help_text="A value, or values by interrupt id."
    )
    update = UpdateField(required=False, allow_null=True)  # type: ignore[assignment]
    goto = GotoField(required=False, allow_null=True)
