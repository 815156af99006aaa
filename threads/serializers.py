from __future__ import annotations

from typing import Any

from rest_framework import serializers

from threads.models import Thread


class ThreadSerializer(serializers.ModelSerializer[Thread]):
    """A thread as the API shows it (wire contract 3.3)."""

    thread_id = serializers.UUIDField(source="id")
    metadata = serializers.DictField()
    config = serializers.DictField()
    values = serializers.DictField(allow_null=True)
    interrupts = serializers.DictField(help_text="Interrupts by task id.")
    error = serializers.DictField(allow_null=True)

    class Meta:
        model = Thread
        fields = [
            "thread_id",
            "created_at",
            "updated_at",
            "state_updated_at",
            "metadata",
            "status",
            "config",
            "values",
            "error",
            "interrupts",
        ]
        read_only_fields = fields

    def to_representation(self, thread: Thread) -> dict[str, Any]:
        # Written out: the fields need no conversion, and lists of a thousand threads are common.
        return {
            "thread_id": thread.pk,
            "created_at": thread.created_at,
            "updated_at": thread.updated_at,
            "state_updated_at": thread.state_updated_at,
            "metadata": thread.metadata,
            "status": thread.status,
            "config": thread.config,
            "values": thread.values,
            "error": thread.error,
            "interrupts": thread.interrupts or {},
        }


class ThreadCreateSerializer(serializers.Serializer[None]):
    thread_id = serializers.UUIDField(
        required=False, allow_null=True, error_messages={"invalid": "Invalid thread ID: must be a UUID"}
    )
    metadata = serializers.DictField(required=False, allow_null=True)
    if_exists = serializers.ChoiceField(required=False, choices=["raise", "do_nothing"], default="raise")


class ThreadPatchSerializer(serializers.Serializer[None]):
    metadata = serializers.DictField(
        required=False, allow_null=True, help_text="Merged into what is there. Null is kept as a value."
    )


class ThreadSearchSerializer(serializers.Serializer[None]):
    """What threads to find: all conditions must hold."""

    SORT_FIELDS = ["thread_id", "status", "created_at", "updated_at", "state_updated_at"]

    ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, max_length=1000
    )
    metadata = serializers.DictField(required=False, allow_null=True)
    values = serializers.DictField(required=False, allow_null=True)
    status = serializers.ChoiceField(required=False, allow_null=True, choices=Thread.Status.choices)
    limit = serializers.IntegerField(required=False, default=10, min_value=1, max_value=1000)
    offset = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31)
    sort_by = serializers.ChoiceField(required=False, allow_null=True, choices=SORT_FIELDS)
    sort_order = serializers.ChoiceField(required=False, allow_null=True, choices=["asc", "desc"])


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
            value = (value.get("configurable") or value).get("checkpoint_id")
        if not isinstance(value, str):
            raise serializers.ValidationError("Must name a checkpoint_id.")
        return value


class HistorySearchSerializer(HistoryQuerySerializer):
    before = BeforeField(required=False, allow_null=True)  # type: ignore[assignment]
    metadata = serializers.DictField(required=False, allow_null=True)
