from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


class CheckpointSerializer(serializers.Serializer[None]):
    """Which checkpoint of a thread."""

    thread_id = serializers.CharField()
    checkpoint_ns = serializers.CharField(allow_blank=True)
    checkpoint_id = serializers.CharField()
    checkpoint_map = serializers.DictField(required=False)


class InterruptSerializer(serializers.Serializer[None]):
    id = serializers.CharField()
    value = serializers.JSONField()


class TaskSerializer(serializers.Serializer[None]):
    id = serializers.CharField()
    name = serializers.CharField()
    path = serializers.ListField()
    error = serializers.CharField(allow_null=True)
    interrupts = InterruptSerializer(many=True)
    checkpoint = CheckpointSerializer(allow_null=True)
    state = serializers.DictField(allow_null=True, help_text="The subgraph's state, when asked for.")
    result = serializers.JSONField(allow_null=True)


class ThreadStateSerializer(serializers.Serializer[None]):
    """The state of a thread at one checkpoint (wire contract 3.3)."""

    values = serializers.DictField()
    next = serializers.ListField(child=serializers.CharField())
    tasks = TaskSerializer(many=True)
    metadata = serializers.DictField(allow_null=True)
    created_at = serializers.DateTimeField(allow_null=True)
    checkpoint = CheckpointSerializer(allow_null=True)
    parent_checkpoint = CheckpointSerializer(allow_null=True)
    interrupts = InterruptSerializer(many=True)
    checkpoint_id = serializers.CharField(allow_null=True)
    parent_checkpoint_id = serializers.CharField(allow_null=True)


class StateQuerySerializer(serializers.Serializer[None]):
    subgraphs = serializers.BooleanField(required=False, default=False)


class HistoryQuerySerializer(serializers.Serializer[None]):
    limit = serializers.IntegerField(required=False, default=10, min_value=1, max_value=1000)
    before = serializers.CharField(
        required=False, allow_null=True, help_text="Only states older than this checkpoint id."
    )


class BeforeField(serializers.JSONField):
    """A checkpoint: its id, itself, or ``{"configurable": {…}}`` with it in. Clients send all three."""

    def to_internal_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            checkpoint = value.get("configurable", value)
            value = checkpoint.get("checkpoint_id") if isinstance(checkpoint, dict) else None
        if not isinstance(value, str):
            raise serializers.ValidationError("Must name a checkpoint_id.")
        return value


class CheckpointChoiceSerializer(serializers.Serializer[None]):
    """A checkpoint of the thread. Without ``checkpoint_id`` the latest; ``thread_id`` is not read."""

    checkpoint_id = serializers.CharField(max_length=255, required=False, allow_null=True)
    checkpoint_ns = serializers.CharField(max_length=4096, required=False, allow_null=True, allow_blank=True)
    checkpoint_map = serializers.DictField(required=False, allow_null=True)


class HistorySearchSerializer(HistoryQuerySerializer):
    before = BeforeField(required=False, allow_null=True)  # type: ignore[assignment]
    metadata = serializers.DictField(required=False, allow_null=True)
    checkpoint = CheckpointChoiceSerializer(required=False, allow_null=True)


class StateAtCheckpointSerializer(CheckpointChoiceSerializer):
    """A checkpoint, bare or under ``checkpoint``."""

    checkpoint = CheckpointChoiceSerializer(required=False, allow_null=True)
    subgraphs = serializers.BooleanField(required=False, default=False)


@extend_schema_field({"oneOf": [{"type": "object"}, {"type": "array", "items": {}}, {"type": "null"}]})
class ValuesField(serializers.Field):
    """An object, several of them one after another, a list of ``[key, value]`` pairs, or null.

    Becomes a list of objects and nulls.
    """

    def to_internal_value(self, value: Any) -> list[dict[str, Any] | None]:
        if value is None or isinstance(value, dict):
            return [value]
        if not isinstance(value, list) or not value:
            raise serializers.ValidationError("Must be an object, a list of objects or pairs, or null.")
        if all(isinstance(item, dict) for item in value):
            return value
        if all(isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) for item in value):
            pairs = dict(value)
            # A key that stands twice is written twice.
            return [pairs] if len(pairs) == len(value) else [{key: item} for key, item in value]
        raise serializers.ValidationError("Must be an object, a list of objects or pairs, or null.")

    def to_representation(self, value: Any) -> Any:
        return value


class StateUpdateSerializer(serializers.Serializer[None]):
    values = ValuesField(required=False, allow_null=True)
    as_node = serializers.CharField(
        max_length=500, required=False, allow_null=True, help_text="Default: the last to write."
    )
    checkpoint = CheckpointChoiceSerializer(required=False, allow_null=True, help_text="Where to fork from.")
    checkpoint_id = serializers.CharField(max_length=255, required=False, allow_null=True)


class StateUpdatedSerializer(serializers.Serializer[None]):
    """The new checkpoint, in the forms that clients read."""

    checkpoint = CheckpointSerializer()
    configurable = CheckpointSerializer()
    thread_id = serializers.CharField()
    checkpoint_ns = serializers.CharField(allow_blank=True)
    checkpoint_id = serializers.CharField()
    checkpoint_map = serializers.DictField(allow_null=True)
