from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from assistants.models import Assistant


class AssistantSerializer(serializers.ModelSerializer[Assistant]):
    """An assistant as the API shows it (wire contract 3.2). Context: ``select``, the only keys to show."""

    assistant_id = serializers.UUIDField(source="id")
    created_at = serializers.DateTimeField(format=None)
    updated_at = serializers.DateTimeField(format=None)

    class Meta:
        model = Assistant
        fields = [
            "assistant_id",
            "graph_id",
            "config",
            "context",
            "metadata",
            "name",
            "created_at",
            "updated_at",
            "version",
            "description",
        ]
        read_only_fields = fields

    def to_representation(self, assistant: Assistant) -> dict[str, Any]:
        shown = super().to_representation(assistant)
        select = self.context.get("select")
        return {key: shown[key] for key in select} if select else shown


class AssistantSearchSerializer(serializers.Serializer[None]):
    """What assistants to find: all conditions must hold."""

    SORT_FIELDS = ["assistant_id", "graph_id", "name", "created_at", "updated_at"]

    metadata = serializers.DictField(required=False, allow_null=True)
    graph_id = serializers.CharField(required=False, allow_null=True)
    name = serializers.CharField(required=False, allow_null=True, help_text="Part of the name.")
    limit = serializers.IntegerField(required=False, default=10, min_value=1, max_value=1000)
    offset = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31)
    sort_by = serializers.ChoiceField(required=False, allow_null=True, choices=SORT_FIELDS)
    sort_order = serializers.ChoiceField(required=False, allow_null=True, choices=["asc", "desc"])
    select = serializers.ListField(
        child=serializers.ChoiceField(choices=AssistantSerializer.Meta.fields),
        required=False,
        allow_null=True,
        help_text="The only keys to show.",
    )


class SchemasSerializer(serializers.Serializer[None]):
    """The JSON schemas of a graph."""

    graph_id = serializers.CharField()
    input_schema = serializers.DictField()
    output_schema = serializers.DictField()
    state_schema = serializers.DictField()
    config_schema = serializers.DictField()
    context_schema = serializers.DictField(allow_null=True)


class NodeSerializer(serializers.Serializer[None]):
    id = serializers.CharField()
    type = serializers.CharField(required=False)
    data = serializers.DictField(required=False)  # type: ignore[assignment]
    metadata = serializers.DictField(required=False)


class EdgeSerializer(serializers.Serializer[None]):
    source = serializers.CharField()  # type: ignore[assignment]
    target = serializers.CharField()
    conditional = serializers.BooleanField(required=False)
    data = serializers.CharField(required=False)  # type: ignore[assignment]


class DrawingSerializer(serializers.Serializer[None]):
    """A graph's nodes and edges."""

    nodes = NodeSerializer(many=True)
    edges = EdgeSerializer(many=True)


@extend_schema_field({"oneOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1}]})
class XrayField(serializers.Field):
    """True, false, or how deep to look into subgraphs."""

    def to_internal_value(self, value: Any) -> bool | int:
        text = str(value).lower()
        if text in ("true", "false"):
            return text == "true"
        if text.isascii() and text.isdecimal() and int(text[:9]) > 0 and len(text) < 10:
            return int(text)
        raise serializers.ValidationError("Invalid xray value")

    def to_representation(self, value: Any) -> Any:
        return value


class DrawingQuerySerializer(serializers.Serializer[None]):
    xray = XrayField(required=False, default=False)


class SubgraphsQuerySerializer(serializers.Serializer[None]):
    recurse = serializers.BooleanField(required=False, default=False)
