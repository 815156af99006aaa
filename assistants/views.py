from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from langgraph.pregel import Pregel
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from assistants import introspection
from assistants.graphs import registry
from assistants.models import Assistant
from assistants.serializers import (
    AssistantSearchSerializer,
    AssistantSerializer,
    DrawingQuerySerializer,
    DrawingSerializer,
    SchemasSerializer,
    SubgraphsQuerySerializer,
)
from assistants.viewsets import ApiViewSet

SCHEMAS = {"type": "object", "additionalProperties": {"type": ["object", "null"]}}
SUBGRAPHS = OpenApiResponse(
    {"type": "object", "additionalProperties": SCHEMAS},
    description="Schemas by namespace, as those of an assistant.",
)


@extend_schema(tags=["Assistants"])
class AssistantViewSet(ApiViewSet):
    """An assistant is found by its UUID and by the name of its graph."""

    permissions = dict.fromkeys(
        ["search", "retrieve", "schemas", "graph", "subgraphs", "subgraphs_in"],
        ("assistants.view_assistant",),
    )

    @extend_schema(
        operation_id="search_assistants_assistants_search_post",
        request=AssistantSearchSerializer,
        responses=AssistantSerializer(many=True),
    )
    def search(self, request: Request) -> Response:
        """Find assistants, newest first unless `sort_by` says otherwise."""
        query = valid(AssistantSearchSerializer, request.data)
        shown = {"select": query.pop("select", None)}
        page = Assistant.objects.usable_by(request.user).served().search(**query)
        return Response(AssistantSerializer(page.items, many=True, context=shown).data, headers=page.headers)

    @extend_schema(operation_id="get_assistant_assistants__assistant_id__get", responses=AssistantSerializer)
    def retrieve(self, request: Request, assistant_id: str) -> Response:
        """One assistant."""
        return Response(AssistantSerializer(Assistant.objects.find_for(self.request.user, assistant_id)).data)

    @extend_schema(
        operation_id="get_assistant_schemas_assistants__assistant_id__schemas_get",
        responses=SchemasSerializer,
    )
    def schemas(self, request: Request, assistant_id: str) -> Response:
        """The JSON schemas of the assistant's input, output, state, config and context."""
        assistant = Assistant.objects.find_for(self.request.user, assistant_id)
        return Response({"graph_id": assistant.graph_id, **introspection.schemas(graph(assistant))})

    @extend_schema(
        operation_id="get_assistant_graph_assistants__assistant_id__graph_get",
        parameters=[DrawingQuerySerializer],
        responses=DrawingSerializer,
    )
    def graph(self, request: Request, assistant_id: str) -> Response:
        """The nodes and edges of the assistant's graph."""
        assistant = Assistant.objects.find_for(self.request.user, assistant_id)
        query = valid(DrawingQuerySerializer, request.query_params)
        return Response(introspection.drawing(graph(assistant), **query))

    @extend_schema(
        operation_id="get_assistant_subgraphs_assistants__assistant_id__subgraphs_get",
        parameters=[SubgraphsQuerySerializer],
        responses=SUBGRAPHS,
    )
    def subgraphs(self, request: Request, assistant_id: str) -> Response:
        """The schemas of the subgraphs."""
        assistant = Assistant.objects.find_for(self.request.user, assistant_id)
        query = valid(SubgraphsQuerySerializer, request.query_params)
        return Response(introspection.subgraphs(graph(assistant), **query))

    @extend_schema(
        operation_id="get_assistant_subgraphs_assistants__assistant_id__subgraphs__namespace__get",
        parameters=[SubgraphsQuerySerializer],
        responses=SUBGRAPHS,
    )
    def subgraphs_in(self, request: Request, assistant_id: str, namespace: str) -> Response:
        """The schemas of the subgraphs in a namespace; none for one that is not there."""
        assistant = Assistant.objects.find_for(self.request.user, assistant_id)
        query = valid(SubgraphsQuerySerializer, request.query_params)
        return Response(introspection.subgraphs(graph(assistant), namespace, **query))


def graph(assistant: Assistant) -> Pregel:
    return registry.build(assistant.graph_id)


def valid(serializer: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    checked = serializer(data=data)
    checked.is_valid(raise_exception=True)
    return checked.validated_data
