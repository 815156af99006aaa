from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from assistants.models import Assistant
from assistants.serializers import AssistantSearchSerializer, AssistantSerializer


@extend_schema(tags=["Assistants"])
class AssistantViewSet(ViewSet):
    @extend_schema(
        operation_id="search_assistants",
        request=AssistantSearchSerializer,
        responses=AssistantSerializer(many=True),
    )
    def search(self, request: Request) -> Response:
        """Find assistants, newest first unless ``sort_by`` says otherwise."""
        query = AssistantSearchSerializer(data=request.data)
        query.is_valid(raise_exception=True)
        page = Assistant.objects.served().search(**query.validated_data)
        return Response(AssistantSerializer(page.items, many=True).data, headers=page.headers)

    @extend_schema(operation_id="get_assistant", responses=AssistantSerializer)
    def retrieve(self, request: Request, assistant_id: str) -> Response:
        """One assistant, by UUID or by the name of its graph."""
        return Response(AssistantSerializer(Assistant.objects.find(assistant_id)).data)
