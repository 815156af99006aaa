"""What this API answers, for its OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field, inline_serializer
from rest_framework import serializers

from runs.graph_api.envelopes import CODES
from threads.serializers.states import InterruptSerializer


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "array", "items": {}}]})
class ContentShownField(serializers.Field):
    """A string wherever the message is text alone, else a list of blocks."""


def constant(value: Any) -> serializers.Field:
    """A field that always has this value."""
    schema = {"type": "boolean" if isinstance(value, bool) else "string", "const": value}
    return extend_schema_field(schema)(type("Constant", (serializers.Field,), {}))()


class MetadataSerializer(serializers.Serializer[None]):
    request_id = serializers.CharField()
    timestamp = serializers.DateTimeField()
    message = serializers.CharField()


class ErrorDetailSerializer(serializers.Serializer[None]):
    loc = serializers.ListField(child=serializers.JSONField(), help_text="Where: keys and indexes.")
    msg = serializers.CharField()
    type = serializers.CharField()


class GraphErrorSerializer(serializers.Serializer[None]):
    code = serializers.CharField(help_text=f"{', '.join(sorted({*CODES.values()}))} or a more precise one.")
    message = serializers.CharField()
    details = ErrorDetailSerializer(many=True)


class FailureSerializer(serializers.Serializer[None]):
    """Why a request was refused, or failed."""

    success = constant(False)
    error = GraphErrorSerializer()
    metadata = MetadataSerializer()


def envelope(name: str, data: Any) -> Any:
    """The answer ``data`` in the envelope of success."""
    return inline_serializer(
        name, {"success": constant(True), "data": data, "metadata": MetadataSerializer()}
    )


class MessageShownSerializer(serializers.Serializer[None]):
    role = serializers.CharField()
    content = ContentShownField()
    name = serializers.CharField(required=False)
    tool_calls = serializers.ListField(child=serializers.DictField(), required=False)
    tool_call_id = serializers.CharField(required=False)
    message_id = serializers.CharField(required=False)


class ConversationSerializer(serializers.Serializer[None]):
    """The conversation after a run."""

    messages = MessageShownSerializer(many=True)
    state = serializers.DictField(help_text="The rest of what the graph shows.")
    thread_id = serializers.CharField()
    run_id = serializers.UUIDField()
    status = serializers.CharField(
        help_text="`completed`, `stopped` or `interrupted`: it waits for a person."
    )
    interrupts = InterruptSerializer(many=True, required=False)


class StoppedSerializer(serializers.Serializer[None]):
    status = serializers.CharField(help_text="`stopped`, or `idle` if nothing ran.")
    thread_id = serializers.CharField()


class OutlineSerializer(serializers.Serializer[None]):
    """A graph in short."""

    nodes = serializers.ListField(child=serializers.CharField())
    entry_point = extend_schema_field(
        {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    )(type("EntryPointField", (serializers.Field,), {}))()
    edges = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    conditional_edges = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(allow_null=True)),
        help_text="Source, target and label.",
    )
    graph_id = serializers.CharField()
    state_schema = serializers.DictField(help_text="The type of each key of the state.")


class JSONSchemaSerializer(serializers.Serializer[None]):
    """The JSON schema of a graph's state."""

    type = constant("object")
    properties = serializers.DictField()


class ChunkSerializer(serializers.Serializer[None]):
    """What all chunks have."""

    run_id = serializers.UUIDField()
    thread_id = serializers.CharField()


class MessageStartSerializer(ChunkSerializer):
    """Before the first piece of a message."""

    type = constant("message_start")
    message_id = serializers.CharField()
    role = serializers.CharField()
    node = serializers.CharField()


class MessageChunkSerializer(ChunkSerializer):
    """A piece of a message's text."""

    type = constant("message_chunk")
    content = serializers.CharField()
    message_id = serializers.CharField()


class MessageEndSerializer(ChunkSerializer):
    """After the last piece of a message."""

    type = constant("message_end")
    message_id = serializers.CharField()
    content = serializers.CharField(help_text="The whole text.")
    usage = serializers.DictField(required=False)


class ToolCallSerializer(ChunkSerializer):
    """The model asked for a tool."""

    type = constant("tool_call")
    tool_call_id = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    args = serializers.DictField()
    message_id = serializers.CharField()


class ToolResultSerializer(ChunkSerializer):
    """A tool answered."""

    type = constant("tool_result")
    tool_call_id = serializers.CharField()
    name = serializers.CharField(allow_null=True)
    content = ContentShownField()
    status = serializers.CharField(help_text="`success` or `error`.")


class InterruptChunkSerializer(ChunkSerializer):
    """The graph waits for a person."""

    type = constant("interrupt")
    interrupts = InterruptSerializer(many=True)


class ErrorChunkSerializer(ChunkSerializer):
    """The graph failed. The last chunk."""

    type = constant("error")
    code = serializers.CharField(help_text="`GRAPH_ERROR` or `GRAPH_RECURSION`.")
    message = serializers.CharField()


class DoneSerializer(ChunkSerializer):
    """The last chunk of a run that did not fail."""

    type = constant("done")
    status = serializers.CharField(help_text="`completed`, `stopped` or `interrupted`.")
    usage = serializers.DictField(allow_null=True)


CHUNK = PolymorphicProxySerializer(
    component_name="StreamChunk",
    serializers={
        "message_start": MessageStartSerializer,
        "message_chunk": MessageChunkSerializer,
        "message_end": MessageEndSerializer,
        "tool_call": ToolCallSerializer,
        "tool_result": ToolResultSerializer,
        "interrupt": InterruptChunkSerializer,
        "error": ErrorChunkSerializer,
        "done": DoneSerializer,
    },
    resource_type_field_name="type",
)
