from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from langsmith.utils import tracing_is_enabled
from rest_framework import serializers

from assistants.request_serializers import RequestSerializer
from runs.addresses import AddressRefused, check_url
from runs.conf import conf
from runs.exceptions import ThreadNeeded
from runs.models import Run
from runs.stream_modes import DEFAULT, STREAM_MODES
from threads import messages
from threads.serializers.commands import CommandSerializer
from threads.serializers.metadata import MetadataField

MODE_SCHEMA = {"type": "string", "enum": list(STREAM_MODES)}


class RunSerializer(serializers.ModelSerializer[Run]):
    """A run as the API shows it (wire contract 3.4). Context: ``select``, the only keys to show."""

    run_id = serializers.UUIDField(source="id")
    thread_id = serializers.UUIDField()
    assistant_id = serializers.UUIDField()
    created_at = serializers.DateTimeField(format=None)
    updated_at = serializers.DateTimeField(format=None)
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

    def to_representation(self, run: Run) -> dict[str, Any]:
        # Written out: the fields need no conversion, and to make them takes longer than this.
        shown = {
            "run_id": str(run.pk),
            "thread_id": str(run.thread_id),
            "assistant_id": str(run.assistant_id),
            "metadata": run.metadata,
            "status": run.status,
            "kwargs": run.kwargs,
            "multitask_strategy": run.multitask_strategy,
            "attempt": run.attempt,
            "error": run.error,
            "usage": run.usage,
            "created_at": run.created_at,
            "updated_at": run.updated_at,
        }
        select = self.context.get("select")
        return {key: shown[key] for key in select} if select else shown


@extend_schema_field({"oneOf": [MODE_SCHEMA, {"type": "array", "items": MODE_SCHEMA}], "default": DEFAULT})
class StreamModeField(serializers.Field):
    """One mode or a list of them, without repetitions; nothing and an empty list are ``values``."""

    def to_internal_value(self, value: Any) -> list[str]:
        modes = [value] if isinstance(value, str) else value
        if not isinstance(modes, list):
            raise serializers.ValidationError("Must be a stream mode or a list of them.")
        for mode in modes:
            if not isinstance(mode, str) or mode not in STREAM_MODES:
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


class RunCheckpointSerializer(RequestSerializer):
    """A checkpoint of the run's own thread. A ``thread_id`` in it is not needed and not read."""

    checkpoint_id = serializers.UUIDField(required=False, allow_null=True)
    checkpoint_ns = serializers.CharField(max_length=4096, required=False, allow_null=True, allow_blank=True)
    checkpoint_map = serializers.DictField(required=False, allow_null=True)


class ConfigSerializer(RequestSerializer):
    tags = serializers.ListField(
        child=serializers.CharField(max_length=255), max_length=100, required=False, allow_null=True
    )
    recursion_limit = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=100_000
    )
    max_concurrency = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=100_000
    )
    metadata = MetadataField(required=False, allow_null=True)
    run_name = serializers.CharField(required=False, allow_null=True, max_length=255)
    configurable = serializers.DictField(required=False, allow_null=True)


class LangSmithTracerSerializer(RequestSerializer):
    project_name = serializers.CharField(required=False, allow_null=True, max_length=255)
    example_id = serializers.UUIDField(required=False, allow_null=True)


class RunCreateSerializer(RequestSerializer):
    """What to run, and how (wire contract 3.4). Unknown keys are ignored."""

    assistant_id = serializers.CharField(max_length=255, help_text="A UUID, or the name of a graph.")
    input = serializers.JSONField(required=False, allow_null=True, default=None)
    command = CommandSerializer(required=False, allow_null=True, help_text="Goes before `input`.")
    checkpoint = RunCheckpointSerializer(required=False, allow_null=True)
    checkpoint_id = serializers.UUIDField(required=False, allow_null=True)
    config = ConfigSerializer(required=False, allow_null=True)
    context = serializers.DictField(required=False, allow_null=True)  # type: ignore[assignment]
    metadata = MetadataField(required=False, allow_null=True)
    stream_mode = StreamModeField(required=False, allow_null=True)
    stream_subgraphs = serializers.BooleanField(required=False, allow_null=True)
    stream_resumable = serializers.BooleanField(required=False, allow_null=True)
    interrupt_before = BreakpointsField(required=False, allow_null=True)
    interrupt_after = BreakpointsField(required=False, allow_null=True)
    feedback_keys = serializers.ListField(
        child=serializers.CharField(max_length=255),
        max_length=100,
        required=False,
        allow_null=True,
        help_text="Kept on the run, for those who collect feedback on it.",
    )
    langsmith_tracer = LangSmithTracerSerializer(
        required=False, allow_null=True, help_text="Where in LangSmith to trace to, if the server traces."
    )
    webhook = serializers.CharField(
        required=False, allow_null=True, max_length=2048, help_text="Called when the run has ended."
    )
    multitask_strategy = serializers.ChoiceField(
        required=False, allow_null=True, choices=Run.MultitaskStrategy.choices
    )
    if_not_exists = serializers.ChoiceField(required=False, allow_null=True, choices=["reject", "create"])
    on_disconnect = serializers.ChoiceField(required=False, allow_null=True, choices=["continue", "cancel"])
    on_completion = serializers.ChoiceField(
        required=False,
        allow_null=True,
        choices=["keep", "delete"],
        help_text="What becomes of the thread: that of a run on a thread is kept.",
    )
    after_seconds = serializers.FloatField(required=False, allow_null=True, max_value=10 * 366 * 86400)
    timeout_seconds = serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=0.001,
        max_value=366 * 86400,
        help_text="How long an attempt may take; the server may allow less.",
    )
    durability = serializers.ChoiceField(required=False, allow_null=True, choices=["sync", "async", "exit"])
    checkpoint_during = serializers.BooleanField(
        required=False, allow_null=True, help_text="Older: false is durability `exit`."
    )

    def validate_input(self, value: Any) -> Any:
        try:
            messages.convert(value, most=conf.SKEINO_MAX_MESSAGES)
        except ValueError as exc:
            raise serializers.ValidationError(str(exc)) from exc
        return value

    def validate_webhook(self, value: str | None) -> str | None:
        try:
            if value is not None:
                check_url(value)
        except AddressRefused as exc:
            raise serializers.ValidationError(str(exc)) from exc
        return value

    def validate_langsmith_tracer(self, value: dict[str, Any] | None) -> dict[str, str] | None:
        if value is None:
            return None
        if not tracing_is_enabled():
            raise serializers.ValidationError(
                "This server does not trace to LangSmith: LANGSMITH_TRACING is not set."
            )
        return {key: str(named) for key, named in value.items() if named is not None}

    def validate_on_completion(self, value: str | None) -> str | None:
        if value == "delete":
            raise serializers.ValidationError("A run on a thread keeps it; delete the thread instead.")
        return value

    @property
    def delay(self) -> float:
        """After how many seconds the run is to begin."""
        return max(self.validated_data.get("after_seconds") or 0, 0)

    @property
    def run_kwargs(self) -> dict[str, Any]:
        """What is kept on the run: every option it is executed with, defaults filled in."""
        data = self.validated_data
        during = data.get("checkpoint_during")
        return {
            "input": data["input"],
            "command": command(data.get("command")),
            "checkpoint": checkpoint(data),
            "config": data.get("config") or {},
            "context": data.get("context"),
            "stream_mode": data.get("stream_mode") or DEFAULT,
            "subgraphs": bool(data.get("stream_subgraphs")),
            "resumable": bool(data.get("stream_resumable")),
            "interrupt_before": data.get("interrupt_before"),
            "interrupt_after": data.get("interrupt_after"),
            "feedback_keys": data.get("feedback_keys"),
            **{key: data[key] for key in ("langsmith_tracer", "timeout_seconds") if data.get(key)},
            "webhook": data.get("webhook"),
            "on_disconnect": data.get("on_disconnect") or "continue",
            "durability": data.get("durability") or ("exit" if during is False else "async"),
        }


def command(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """The command; None for one that says nothing, as clients send beside an input."""
    says = any(value is not None and (value != [] or key == "resume") for key, value in (given or {}).items())
    return given if says else None


def checkpoint(data: dict[str, Any]) -> dict[str, Any] | None:
    chosen = {**(data.get("checkpoint") or {}), "checkpoint_id": data.get("checkpoint_id")}
    chosen["checkpoint_id"] = chosen["checkpoint_id"] or (data.get("checkpoint") or {}).get("checkpoint_id")
    if not chosen["checkpoint_id"]:
        return None
    return {**chosen, "checkpoint_id": str(chosen["checkpoint_id"])}


class StatelessRunSerializer(RunCreateSerializer):
    """A run on a thread of its own. What says how to deal with a thread's other runs is ignored."""

    def validate_on_completion(self, value: str | None) -> str | None:
        return value

    def validate_command(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value and value.get("resume") is not None:
            raise ThreadNeeded
        return value
