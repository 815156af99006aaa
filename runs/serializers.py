from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from runs.models import Run
from runs.stream_modes import DEFAULT, STREAM_MODES
from threads import messages

MODE_SCHEMA = {"type": "string", "enum": list(STREAM_MODES)}


class RunSerializer(serializers.ModelSerializer[Run]):
    """A run as the API shows it (wire contract 3.4)."""

    run_id = serializers.UUIDField(source="id")
    thread_id = serializers.UUIDField()
    assistant_id = serializers.UUIDField()
    metadata = serializers.DictField()
    kwargs = serializers.DictField(help_text="What was asked for.")
    error = serializers.DictField(allow_null=True, help_text="`error`, a class, and `message`, if it failed.")
    usage = serializers.DictField(allow_null=True, help_text="Tokens, as the models reported them.")

    class Meta:
        model = Run
        fields = [
            "run_id",
            "thread_id",
            "assistant_id",
            "metadata",
            "status",
            "kwargs",
            "multitask_strategy",
            "attempt",
            "error",
            "usage",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


@extend_schema_field({"oneOf": [MODE_SCHEMA, {"type": "array", "items": MODE_SCHEMA}], "default": DEFAULT})
class StreamModeField(serializers.Field):
    """One mode or a list of them, without repetitions; nothing and an empty list are ``values``."""

    def to_internal_value(self, value: Any) -> list[str]:
        modes = [value] if isinstance(value, str) else value
        if not isinstance(modes, list):
            raise serializers.ValidationError("Must be a stream mode or a list of them.")
        for mode in modes:
            if mode not in STREAM_MODES:
                raise serializers.ValidationError(
                    f'"{mode}" is not a stream mode. Expected one of: {", ".join(STREAM_MODES)}.'
                )
        return list(dict.fromkeys(modes)) or DEFAULT

    def to_representation(self, value: list[str]) -> list[str]:
        return value


@extend_schema_field(
    {"oneOf": [{"type": "string", "enum": ["*"]}, {"type": "array", "items": {"type": "string"}}]}
)
class BreakpointsField(serializers.Field):
    """``"*"`` or a list of nodes."""

    def to_internal_value(self, value: Any) -> str | list[str]:
        if value == "*":
            return "*"
        if not isinstance(value, list) or not all(isinstance(node, str) for node in value):
            raise serializers.ValidationError('Must be "*" or a list of node names.')
        return value

    def to_representation(self, value: Any) -> Any:
        return value


class CommandSerializer(serializers.Serializer[None]):
    """Go on from an interrupt. A command without any of these is none."""

    resume = serializers.JSONField(
        required=False, allow_null=True, help_text="A value, or values by interrupt id."
    )
    update = serializers.JSONField(  # type: ignore[assignment]
        required=False, allow_null=True, help_text="An update of the state."
    )


class ConfigSerializer(serializers.Serializer[None]):
    tags = serializers.ListField(child=serializers.CharField(), required=False, allow_null=True)
    recursion_limit = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=100_000
    )
    configurable = serializers.DictField(required=False, allow_null=True)


class RunCreateSerializer(serializers.Serializer[None]):
    """What to run, and how (wire contract 3.4). Unknown keys are ignored."""

    assistant_id = serializers.CharField(help_text="A UUID, or the name of a graph.")
    input = serializers.JSONField(required=False, allow_null=True, default=None)
    command = CommandSerializer(required=False, allow_null=True, help_text="Goes before `input`.")
    config = ConfigSerializer(required=False, allow_null=True)
    context = serializers.DictField(required=False, allow_null=True)  # type: ignore[assignment]
    metadata = serializers.DictField(required=False, allow_null=True)
    stream_mode = StreamModeField(required=False, allow_null=True)
    stream_subgraphs = serializers.BooleanField(required=False, default=False)
    stream_resumable = serializers.BooleanField(required=False, default=False)
    interrupt_before = BreakpointsField(required=False, allow_null=True)
    interrupt_after = BreakpointsField(required=False, allow_null=True)
    multitask_strategy = serializers.ChoiceField(
        required=False, allow_null=True, choices=Run.MultitaskStrategy.choices
    )
    if_not_exists = serializers.ChoiceField(required=False, allow_null=True, choices=["reject", "create"])
    durability = serializers.ChoiceField(required=False, allow_null=True, choices=["sync", "async", "exit"])

    def validate_input(self, value: Any) -> Any:
        try:
            messages.convert(value)
        except ValueError as exc:
            raise serializers.ValidationError(str(exc)) from exc
        return value

    @property
    def run_kwargs(self) -> dict[str, Any]:
        """What is kept on the run: every option it is executed with, defaults filled in."""
        data = self.validated_data
        return {
            "input": data["input"],
            "command": data.get("command"),
            "config": data.get("config") or {},
            "context": data.get("context"),
            "stream_mode": data.get("stream_mode") or DEFAULT,
            "subgraphs": data["stream_subgraphs"],
            "resumable": data["stream_resumable"],
            "interrupt_before": data.get("interrupt_before"),
            "interrupt_after": data.get("interrupt_after"),
            "durability": data.get("durability") or "async",
        }


class RunListSerializer(serializers.Serializer[None]):
    limit = serializers.IntegerField(required=False, default=10, min_value=1, max_value=1000)
    offset = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31)
    status = serializers.ChoiceField(required=False, choices=Run.Status.choices)
