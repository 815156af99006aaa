from __future__ import annotations

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from threads.models import Thread


class TTLSerializer(serializers.Serializer[None]):
    """How long the thread lives after the latest change of its state."""

    ttl = serializers.FloatField(min_value=0, max_value=100 * 366 * 24 * 60, help_text="Minutes.")
    strategy = serializers.ChoiceField(required=False, choices=Thread.TTLStrategy.choices)


class TTLStateSerializer(serializers.Serializer[Thread]):
    ttl_minutes = serializers.FloatField()
    strategy = serializers.CharField(source="ttl_strategy")
    expires_at = serializers.DateTimeField()


class ThreadSerializer(serializers.ModelSerializer[Thread]):
    """A thread as the API shows it (wire contract 3.3).

    Context: ``select``, the only keys to show; ``extract``, paths into it by alias, shown as ``extracted``;
    ``include_ttl``.
    """

    thread_id = serializers.UUIDField(source="id")
    metadata = serializers.DictField()
    config = serializers.DictField()
    values = serializers.DictField(allow_null=True)
    interrupts = serializers.DictField(help_text="Interrupts by task id.")
    error = serializers.DictField(allow_null=True)
    extracted = serializers.DictField(required=False, help_text="By alias, where asked for.")
    ttl = TTLStateSerializer(required=False, allow_null=True, help_text="Where asked for.")

    FIELDS = [
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
            "extracted",
            "ttl",
        ]
        read_only_fields = fields

    def to_representation(self, thread: Thread) -> dict[str, Any]:
        # Written out: the fields need no conversion, and lists of a thousand threads are common.
        shown = {
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
        extract, select = self.context.get("extract"), self.context.get("select")
        extracted = {alias: follow(path, shown) for alias, path in (extract or {}).items()}
        if select:
            shown = {key: shown[key] for key in select}
        if extracted:
            shown["extracted"] = extracted
        if self.context.get("include_ttl"):
            shown["ttl"] = TTLStateSerializer(thread).data if thread.ttl_minutes is not None else None
        return shown


def follow(path: list[str | int], value: Any) -> Any:
    """What stands at the end of a path of keys and positions; None where it leads nowhere."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


class ExtractField(serializers.DictField):
    """Paths by alias, such as ``{"last": "values.messages[-1].content"}``."""

    ROOTS = ("values", "metadata", "config", "interrupts", "error")
    STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d{1,6})\]")

    child = serializers.CharField(max_length=500)

    def to_internal_value(self, data: Any) -> dict[str, list[str | int]]:
        return {alias: self._steps(path) for alias, path in super().to_internal_value(data).items()}

    def _steps(self, path: str) -> list[str | int]:
        steps: list[str | int] = []
        position = 0
        while position < len(path) and (found := self.STEP.match(path, position)):
            steps.append(found[1] if found[1] is not None else int(found[2]))
            position = found.end()
        if position < len(path) or not steps or steps[0] not in self.ROOTS:
            raise serializers.ValidationError(f'"{path}" is no path into {", ".join(self.ROOTS)}.')
        return steps


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


class UpdateSerializer(serializers.Serializer[None]):
    values = serializers.JSONField(required=False, allow_null=True, help_text="What the node wrote.")
    command = CommandSerializer(required=False, allow_null=True, help_text="Or its command.")
    as_node = serializers.CharField(required=False, allow_null=True)


class SuperstepSerializer(serializers.Serializer[None]):
    updates = UpdateSerializer(many=True)


class ThreadCreateSerializer(serializers.Serializer[None]):
    thread_id = serializers.UUIDField(
        required=False, allow_null=True, error_messages={"invalid": "Invalid thread ID: must be a UUID"}
    )
    metadata = serializers.DictField(required=False, allow_null=True)
    if_exists = serializers.ChoiceField(required=False, allow_null=True, choices=["raise", "do_nothing"])
    ttl = TTLSerializer(required=False, allow_null=True)
    supersteps = SuperstepSerializer(many=True, required=False, allow_null=True)


class ThreadPatchSerializer(serializers.Serializer[None]):
    metadata = serializers.DictField(
        required=False, allow_null=True, help_text="Merged into what is there. Null is kept as a value."
    )
    ttl = TTLSerializer(required=False, allow_null=True)


class ThreadQuerySerializer(serializers.Serializer[None]):
    include = serializers.CharField(required=False, help_text="`ttl`, to see it.")


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
    select = serializers.ListField(
        child=serializers.ChoiceField(choices=ThreadSerializer.FIELDS), required=False, allow_null=True
    )
    extract = ExtractField(required=False, allow_null=True, help_text="Paths by alias.")


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

    checkpoint_id = serializers.CharField(required=False, allow_null=True)
    checkpoint_ns = serializers.CharField(required=False, allow_null=True, allow_blank=True)
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
    as_node = serializers.CharField(required=False, allow_null=True, help_text="Default: the last to write.")
    checkpoint = CheckpointChoiceSerializer(required=False, allow_null=True, help_text="Where to fork from.")
    checkpoint_id = serializers.CharField(required=False, allow_null=True)


class StateUpdatedSerializer(serializers.Serializer[None]):
    """The new checkpoint, in the forms that clients read."""

    checkpoint = CheckpointSerializer()
    configurable = CheckpointSerializer()
    thread_id = serializers.CharField()
    checkpoint_ns = serializers.CharField(allow_blank=True)
    checkpoint_id = serializers.CharField()
    checkpoint_map = serializers.DictField(allow_null=True)


class CopyQuerySerializer(serializers.Serializer[None]):
    history = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="All checkpoints, not only the latest."
    )
