"""What clients send to this API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from assistants.request_serializers import RequestSerializer
from runs.graph_api.errors import ThreadIdRequired
from runs.graph_api.messages import ROLES, as_input
from runs.serializers import RunCreateSerializer
from runs.stream_modes import CHUNKS
from threads import messages

MAX_ID_LENGTH = 255
MAX_STEPS = 100_000


@extend_schema_field(
    {"oneOf": [{"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH}, {"type": "integer"}]}
)
class IdField(serializers.Field):
    """A string or an integer, as a string of at most 255 characters; a blank one is none."""

    def to_internal_value(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise serializers.ValidationError("Must be a string or an integer.")
        name = str(value)
        if len(name) > MAX_ID_LENGTH:
            raise serializers.ValidationError(f"Must have at most {MAX_ID_LENGTH} characters.")
        return name if name.strip() else None

    def to_representation(self, value: str) -> str:
        return value


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {
                "type": "array",
                "items": {
                    "oneOf": [
                        {"type": "string"},
                        {
                            "type": "object",
                            "properties": {"type": {"type": "string"}},
                            "required": ["type"],
                        },
                    ]
                },
            },
        ]
    }
)
class ContentField(serializers.Field):
    """A string, or a list of typed blocks and strings."""

    def to_internal_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        if not isinstance(value, list):
            raise serializers.ValidationError("Must be a string or a list of blocks.")
        for block in value:
            typed = isinstance(block, dict) and isinstance(block.get("type"), str)
            if not (typed or isinstance(block, str)):
                raise serializers.ValidationError("Every block must be an object with a type.")
        return value

    def to_representation(self, value: Any) -> Any:
        return value


class MessageSerializer(RequestSerializer):
    """A message. Unknown keys are ignored."""

    role = serializers.ChoiceField(choices=list(ROLES))
    content = ContentField(required=False, allow_null=True, help_text="Text, or typed blocks.")
    name = serializers.CharField(required=False, allow_null=True, allow_blank=True, trim_whitespace=False)
    tool_calls = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        allow_null=True,
        help_text="Of an assistant: the tools it asked for.",
    )
    tool_call_id = serializers.CharField(
        required=False, allow_null=True, help_text="Of a tool: the call that it answers."
    )
    message_id = IdField(
        required=False, allow_null=True, help_text='Replaces the message of that id. `"0"` is none.'
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("content") is None and not attrs.get("tool_calls"):
            raise serializers.ValidationError(
                {"content": [ErrorDetail("This field is required.", "required")]}
            )
        message = as_input(attrs)
        if message["role"] == "tool" and not message.get("tool_call_id"):
            missing = ErrorDetail("A tool's message says which call it answers.", "required")
            raise serializers.ValidationError({"tool_call_id": [missing]})
        try:
            messages.convert({"messages": [message]})
        except ValueError as exc:
            raise serializers.ValidationError(str(exc)) from exc
        return message


class GraphConfigSerializer(RequestSerializer):
    """Which conversation, and what the graph is configured with: every other key is handed to it."""

    thread_id = IdField(
        required=False, allow_null=True, help_text="The conversation's name, or a thread's id."
    )
    recursion_limit = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_STEPS
    )
    assistant_id = serializers.CharField(required=False, allow_null=True, allow_blank=True)
    configurable = serializers.DictField(required=False, allow_null=True)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        checked: dict[str, Any] = dict(super().to_internal_value(data))
        configurable = checked.get("configurable") or {}
        checked["configurable"] = configurable | {k: v for k, v in data.items() if k not in self.fields}
        named = configurable.get("thread_id")
        if not checked.get("thread_id") and named is not None:
            try:
                checked["thread_id"] = IdField().to_internal_value(named)
            except serializers.ValidationError as exc:
                raise serializers.ValidationError({"configurable": {"thread_id": exc.detail}}) from exc
        return checked


class GraphCallSerializer(RequestSerializer):
    """What to say to the graph, and where. Unknown keys are ignored."""

    messages = MessageSerializer(many=True, required=False, allow_null=True, help_text="What is said.")
    config = GraphConfigSerializer(required=False, allow_null=True)
    assistant_id = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, help_text="Which graph, if not the default one."
    )
    initial_state = serializers.DictField(
        required=False, allow_null=True, help_text="Goes into the graph beside the messages."
    )
    recursion_limit = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_STEPS
    )
    resume = serializers.JSONField(
        required=False,
        allow_null=True,
        help_text="The answer to an interrupt; then messages may be left out.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.get("messages") and attrs.get("resume") is None:
            empty = ErrorDetail("At least one message is required.", "required")
            raise serializers.ValidationError({"messages": [empty]})
        return attrs

    @property
    def config_of_call(self) -> dict[str, Any]:
        return self.validated_data.get("config") or {}

    @property
    def thread_id(self) -> str:
        """As the client calls it. Raises ThreadIdRequired."""
        name = self.config_of_call.get("thread_id")
        if not name:
            raise ThreadIdRequired("config", "thread_id")
        return str(name)

    @property
    def assistant_name(self) -> str | None:
        return self.config_of_call.get("assistant_id") or self.validated_data.get("assistant_id")

    def run_kwargs(self, *, streamed: bool) -> dict[str, Any]:
        """What is kept on the run: as of every other, but for a stream mode that none may ask for."""
        data, config = self.validated_data, self.config_of_call
        said = {"messages": data["messages"]} if data.get("messages") else {}
        update = {**(data.get("initial_state") or {}), **said}
        resume = data.get("resume")
        limit = config.get("recursion_limit") or data.get("recursion_limit")
        body = RunCreateSerializer(
            data={
                "assistant_id": self.assistant_name or "default",
                "input": update if resume is None else None,
                "command": None if resume is None else {"resume": resume, "update": update or None},
                "config": {
                    "recursion_limit": limit,
                    "configurable": {**config.get("configurable", {}), "thread_id": self.thread_id},
                },
                "stream_mode": "updates",
                "stream_subgraphs": streamed,
                # Each checkpoint is kept before the next step, and so tells in time of a stop.
                "durability": "sync",
            }
        )
        body.is_valid(raise_exception=True)
        return {**body.run_kwargs, **({"stream_mode": [CHUNKS]} if streamed else {})}


class StopSerializer(RequestSerializer):
    """Which conversation to stop."""

    thread_id = IdField(required=False, allow_null=True)
    config = GraphConfigSerializer(required=False, allow_null=True)

    @property
    def thread_name(self) -> str:
        """As the client calls it. Raises ThreadIdRequired."""
        config = self.validated_data.get("config") or {}
        name = self.validated_data.get("thread_id") or config.get("thread_id")
        if not name:
            raise ThreadIdRequired("thread_id")
        return str(name)


class AssistantQuerySerializer(RequestSerializer):
    assistant_id = serializers.CharField(
        required=False, allow_blank=True, help_text="Which graph, if not the default one."
    )
