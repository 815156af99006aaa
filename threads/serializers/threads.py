from __future__ import annotations

import re
from typing import Any

from rest_framework import serializers

from assistants.request_serializers import RequestSerializer
from threads.models import Thread
from threads.serializers.commands import CommandSerializer
from threads.serializers.metadata import MetadataField

# The keys of a thread that every answer has, and that `select` may choose from.
THREAD_FIELDS = [
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

MAX_TTL_MINUTES = 100 * 366 * 24 * 60


class TTLSerializer(RequestSerializer):
    """How long the thread lives after the latest change of its state."""

    ttl = serializers.FloatField(min_value=0, max_value=MAX_TTL_MINUTES, help_text="Minutes.")
    strategy = serializers.ChoiceField(required=False, choices=Thread.TTLStrategy.choices)


class TTLStateSerializer(serializers.Serializer[Thread]):
    ttl_minutes = serializers.FloatField()
    strategy = serializers.CharField(source="ttl_strategy")
    expires_at = serializers.DateTimeField(format=None)


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

    class Meta:
        model = Thread
        fields = [*THREAD_FIELDS, "extracted", "ttl"]
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


class UpdateSerializer(RequestSerializer):
    values = serializers.JSONField(required=False, allow_null=True, help_text="What the node wrote.")
    command = CommandSerializer(required=False, allow_null=True, help_text="Or its command.")
    as_node = serializers.CharField(max_length=500, required=False, allow_null=True)


class SuperstepSerializer(RequestSerializer):
    updates = UpdateSerializer(many=True)


class ThreadCreateSerializer(RequestSerializer):
    thread_id = serializers.UUIDField(
        required=False, allow_null=True, error_messages={"invalid": "Invalid thread ID: must be a UUID"}
    )
    metadata = MetadataField(required=False, allow_null=True)
    if_exists = serializers.ChoiceField(required=False, allow_null=True, choices=["raise", "do_nothing"])
    ttl = TTLSerializer(required=False, allow_null=True)
    supersteps = SuperstepSerializer(many=True, required=False, allow_null=True)


class ThreadPatchSerializer(RequestSerializer):
    metadata = MetadataField(
        required=False, allow_null=True, help_text="Merged into what is there. Null is kept as a value."
    )
    ttl = TTLSerializer(required=False, allow_null=True)


class ThreadQuerySerializer(RequestSerializer):
    include = serializers.CharField(max_length=100, required=False, help_text="`ttl`, to see it.")


class ThreadSearchSerializer(RequestSerializer):
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
        child=serializers.ChoiceField(choices=THREAD_FIELDS), required=False, allow_null=True
    )
    extract = ExtractField(required=False, allow_null=True, help_text="Paths by alias.")


class CopyQuerySerializer(RequestSerializer):
    history = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="All checkpoints, not only the latest."
    )
