from __future__ import annotations

from rest_framework import serializers

from assistants.models import Assistant


class AssistantSerializer(serializers.ModelSerializer[Assistant]):
    """An assistant as the API shows it (wire contract 3.2)."""

    assistant_id = serializers.UUIDField(source="id")

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
