from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from assistants import introspection
from assistants.exceptions import AssistantNotFound, InvalidAssistant
from assistants.graphs import registry
from assistants.models import Assistant
from runs.graph_api.envelopes import EnvelopeRenderer, request_id
from runs.graph_api.errors import exception_handler
from runs.graph_api.responses import (
    CHUNK,
    ConversationSerializer,
    FailureSerializer,
    JSONSchemaSerializer,
    OutlineSerializer,
    StoppedSerializer,
    envelope,
)
from runs.graph_api.serializers import AssistantQuerySerializer, GraphCallSerializer, StopSerializer
from runs.graph_api.streaming import ChunkStream, ConversationResponse
from runs.models import Run
from runs.permissions import ADD, CANCEL
from runs.streaming import WaitingViewSet, check_capacity
from runs.submission import idempotency_key, once
from runs.views import IDEMPOTENCY_KEY
from threads.models import Thread
from threads.policy import Access
from threads.querysets import ThreadQuerySet

logger = logging.getLogger(__name__)

FAILED = OpenApiResponse(FailureSerializer, description="The graph failed, or reached its recursion limit.")


class GraphViews(WaitingViewSet):
    """Everything is answered in an envelope, refusals too."""

    renderer_classes = [EnvelopeRenderer]
    error_serializer = FailureSerializer

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return exception_handler

    def get_authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def threads(self) -> ThreadQuerySet:
        return Thread.objects.without_values()

    def find_assistant(self, name: Any) -> Assistant:
        """The assistant of that id or graph, else the default one. Raises AssistantNotFound."""
        try:
            return Assistant.objects.find_for(self.request.user, name or registry.default_id())
        except InvalidAssistant as exc:
            raise AssistantNotFound(name) from exc


@extend_schema(tags=["Graph"])
class GraphCallViewSet(GraphViews):
    permissions = {"invoke": ADD, "stream": ADD, "stop": CANCEL}

    @extend_schema(
        operation_id="invoke_graph",
        request=GraphCallSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={
            200: envelope("GraphInvoked", ConversationSerializer()),
            500: FAILED,
            503: OpenApiResponse(FailureSerializer, description="The server stops; the run goes on."),
        },
    )
    def invoke(self, request: Request) -> HttpResponseBase:
        """Say something to the graph and answer with the conversation when it has ended."""
        return ConversationResponse(self.submit(streamed=False), request_id(request))

    @extend_schema(
        operation_id="stream_graph",
        request=GraphCallSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={(200, "text/event-stream"): CHUNK, (200, "application/x-ndjson"): CHUNK},
    )
    def stream(self, request: Request) -> HttpResponseBase:
        """Say something to the graph and stream what it does, in chunks.

        As server-sent events, or as lines of JSON for ``Accept: application/x-ndjson``. The run goes on if
        the client leaves.
        """
        check_capacity()
        accepted = request.headers.get("Accept", "").lower()
        return ChunkStream(self.submit(streamed=True), lines="application/x-ndjson" in accepted)

    @extend_schema(
        operation_id="stop_graph",
        request=StopSerializer,
        responses={200: envelope("GraphStopped", StoppedSerializer())},
    )
    def stop(self, request: Request) -> Response:
        """Let what runs on the thread finish its current nodes and start no more."""
        body = StopSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        thread = self.threads().find_named(request.user, body.thread_name, Access.RUN)
        stopped = Run.objects.filter(thread=thread).drain()
        return Response({"status": "stopped" if stopped else "idle", "thread_id": body.thread_name})

    def submit(self, *, streamed: bool) -> Run:
        body = GraphCallSerializer(data=self.request.data)
        body.is_valid(raise_exception=True)
        kwargs = body.run_kwargs(streamed=streamed)
        user, assistant = self.request.user, self.find_assistant(body.assistant_name)

        def create(key: str | None) -> Run:
            with transaction.atomic():
                thread = self.threads().find_or_open_named(user, body.thread_id, Access.RUN)
                return Run.objects.submit(
                    thread,
                    assistant,
                    kwargs=kwargs,
                    idempotency_key=key,
                    user=user,
                    is_followed=streamed,
                )

        def is_same(run: Run) -> bool:
            self.threads().find_for(user, run.thread_id, Access.RUN)
            return run.assistant_id == assistant.pk and run.kwargs == kwargs

        run = once(idempotency_key(self.request), create, is_same)
        logger.info("%s is run %s on thread %s.", self.request.path, run.pk, run.thread_id)
        return run


@extend_schema(tags=["Graph"], parameters=[AssistantQuerySerializer])
class GraphViewSet(GraphViews):
    permissions = dict.fromkeys(["retrieve", "state_schema"], ("assistants.view_assistant",))

    @extend_schema(operation_id="get_graph", responses={200: envelope("GraphOutline", OutlineSerializer())})
    def retrieve(self, request: Request) -> Response:
        """The graph's nodes and edges, where it begins, and the keys of its state."""
        assistant = self.assistant()
        outline = introspection.outline(registry.build(assistant.graph_id))
        return Response({**outline, "graph_id": assistant.graph_id})

    @extend_schema(
        operation_id="get_graph_state_schema",
        responses={200: envelope("GraphStateSchema", JSONSchemaSerializer())},
    )
    def state_schema(self, request: Request) -> Response:
        """The JSON schema of the graph's state."""
        return Response(introspection.state_schema(registry.build(self.assistant().graph_id)))

    def assistant(self) -> Assistant:
        query = AssistantQuerySerializer(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        return self.find_assistant(query.validated_data.get("assistant_id"))


@extend_schema(tags=["Graph"])
class PingViewSet(GraphViews):
    """Open to everybody, and without a database."""

    permission_classes = [AllowAny]
    authentication_classes = []
    throttle_classes = []

    @extend_schema(operation_id="ping", responses={200: envelope("Pong", serializers.CharField())})
    def ping(self, request: Request) -> Response:
        """Whether the server answers."""
        return Response("pong")
