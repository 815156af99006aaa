"""What requests about runs that exist may say."""

from __future__ import annotations

from typing import Any

import orjson
from rest_framework import serializers

from assistants.request_serializers import RequestSerializer
from runs.models import Run
from runs.serializers import RunSerializer
from runs.stream_modes import STREAM_MODES

THREAD_STREAM_MODES = ["run_modes", "lifecycle", "state_update"]
CANCEL_ACTIONS = [Run.CancelAction.INTERRUPT.value, Run.CancelAction.ROLLBACK.value]


class RunListSerializer(RequestSerializer):
    limit = serializers.IntegerField(required=False, default=10, min_value=1, max_value=1000)
    offset = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31)
    status = serializers.ChoiceField(required=False, choices=Run.Status.choices)
    select = serializers.ListField(
        child=serializers.ChoiceField(choices=RunSerializer.Meta.fields),
        required=False,
        help_text="The only keys to show.",
    )


class CancelQuerySerializer(RequestSerializer):
    action = serializers.ChoiceField(
        required=False,
        choices=CANCEL_ACTIONS,
        default=CANCEL_ACTIONS[0],
        help_text="`rollback` deletes the run and its checkpoints.",
    )


class CancelRunQuerySerializer(CancelQuerySerializer):
    wait = serializers.BooleanField(
        required=False, default=False, help_text="Whether to answer when the run has ended."
    )


class CancelRunsSerializer(RequestSerializer):
    """Runs of a thread by their ids, or all of a status."""

    thread_id = serializers.UUIDField(required=False, allow_null=True)
    run_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, min_length=1, max_length=1000
    )
    status = serializers.ChoiceField(required=False, allow_null=True, choices=["pending", "running", "all"])

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        ids = [attrs.get(name) is not None for name in ("thread_id", "run_ids")]
        if any(ids) if attrs.get("status") else not all(ids):
            raise serializers.ValidationError("Give either thread_id and run_ids, or status.")
        return attrs


class ModeListField(serializers.ListField):
    """Repeated, as one JSON list, or separated by commas. Empty is no list at all."""

    def __init__(self, modes: list[str], **options: Any) -> None:
        problem = f'"{{input}}" is not a stream mode. Expected one of: {", ".join(modes)}.'
        child = serializers.ChoiceField(choices=modes, error_messages={"invalid_choice": problem})
        super().__init__(child=child, required=False, **options)

    def to_internal_value(self, data: Any) -> Any:
        items: list[Any] = []
        for item in data if isinstance(data, list) else [data]:
            if isinstance(item, str) and item.startswith("["):
                items += self._listed(item)
            else:
                items += filter(None, map(str.strip, str(item).split(",")))
        return super().to_internal_value(items)

    def _listed(self, text: str) -> list[str]:
        try:
            items = orjson.loads(text)
        except orjson.JSONDecodeError:
            items = None
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise serializers.ValidationError("Must be a list of stream modes.")
        return items


class JoinQuerySerializer(RequestSerializer):
    cancel_on_disconnect = serializers.BooleanField(
        required=False, default=False, help_text="Whether the run is cancelled when this client leaves."
    )


class JoinStreamQuerySerializer(JoinQuerySerializer):
    stream_mode = ModeListField(
        list(STREAM_MODES),
        help_text="The only events to send: those of these modes, of what the run emits. All without it.",
    )


class ThreadStreamQuerySerializer(RequestSerializer):
    stream_modes = ModeListField(
        THREAD_STREAM_MODES,
        help_text="Without `run_modes` among them: only where runs begin and end.",
    )
    stream_mode = ModeListField(THREAD_STREAM_MODES, help_text="As `stream_modes`; so the SDKs call it.")

    @property
    def is_lifecycle_only(self) -> bool:
        data = self.validated_data
        modes = [*data.get("stream_modes", ()), *data.get("stream_mode", ())]
        return bool(modes) and "run_modes" not in modes
