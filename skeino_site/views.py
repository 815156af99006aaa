from __future__ import annotations

from importlib.metadata import version

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from assistants.conf import conf
from assistants.viewsets import ApiViewSet
from skeino_site import __version__


@extend_schema(tags=["Meta"])
class MetaViewSet(ApiViewSet):
    """What the server is and whether it lives. Open to everybody, and without a database."""

    permission_classes = [AllowAny]
    authentication_classes = []
    throttle_classes = []

    @extend_schema(
        operation_id="get_health",
        responses=inline_serializer(
            "Health", {"status": serializers.CharField(), "version": serializers.CharField()}
        ),
    )
    def health(self, request: Request) -> Response:
        """Whether the server answers."""
        return Response({"status": "ok", "version": __version__})

    @extend_schema(
        operation_id="health_check_ok_get",
        responses=inline_serializer("Ok", {"ok": serializers.BooleanField()}),
    )
    def ok(self, request: Request) -> Response:
        """Whether the server answers, as LangGraph's own clients ask."""
        return Response({"ok": True})

    @extend_schema(
        operation_id="server_info_info_get",
        responses=inline_serializer(
            "Info",
            {
                "status": serializers.CharField(),
                "name": serializers.CharField(),
                "version": serializers.CharField(),
                "langgraph_py_version": serializers.CharField(),
                "flags": serializers.DictField(child=serializers.BooleanField()),
                "host": serializers.DictField(),
            },
        ),
    )
    def info(self, request: Request) -> Response:
        """What the server is, and which parts of the API it has."""
        return Response(
            {
                "status": "ok",
                "name": "skeino",
                "version": __version__,
                "langgraph_py_version": version("langgraph"),
                "flags": {
                    "assistants": True,
                    "crons": False,
                    "langsmith": False,
                    "langsmith_tracing_replicas": False,
                },
                "host": {"kind": "self-hosted", "project_id": None, "revision_id": None, "tenant_id": None},
            }
        )

    @extend_schema(
        operation_id="get_initial_message",
        responses=inline_serializer(
            "InitialMessage", {"message": serializers.CharField(), "version": serializers.CharField()}
        ),
    )
    def initial_message(self, request: Request) -> Response:
        """What to show before the first message."""
        return Response({"message": conf.SKEINO_WELCOME_MESSAGE, "version": __version__})
