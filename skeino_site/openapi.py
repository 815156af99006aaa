from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema
from rest_framework import serializers
from rest_framework.permissions import AllowAny


class ErrorSerializer(serializers.Serializer[None]):
    """Why a request was refused."""

    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]
        required=False, help_text="By field, where the body or query is at fault."
    )


DESCRIPTIONS = {
    "400": "The graph refuses it.",
    "401": "Not without credentials, or with such as are not valid.",
    "403": "Not without an account that may.",
    "404": "There is none, or none that you may see.",
    "409": "It exists already, or a run is active on the thread.",
    "413": "The body is too large.",
    "429": "Too much at a time; `Retry-After` says when to come back.",
    "415": "With a session, bodies must be sent as application/json.",
    "422": "The body, the query or an id is not valid.",
}


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """The two headers that a key may come in."""

    target_class = "skeino_site.authentication.ApiKeyAuthentication"
    name = ["apiKey", "bearer"]

    def get_security_requirement(self, auto_schema: Any) -> Any:
        return [{name: []} for name in self.name]  # either, not both

    def get_security_definition(self, auto_schema: Any) -> Any:
        return [
            {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            {"type": "http", "scheme": "bearer"},
        ]


class AutoSchema(SpectacularAutoSchema):
    """Adds to every operation the errors that every operation of its kind may answer with."""

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        for status in self._errors():
            if status not in bodies:
                serializer = getattr(self.view, "error_serializer", ErrorSerializer)
                bodies[status] = self._get_response_for_code(serializer, status)
                bodies[status]["description"] = DESCRIPTIONS[status]
        return bodies

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        schema = super()._map_serializer_field(field, direction, bypass_extensions)
        if schema and schema.get("oneOf") == [{}, {"type": "null"}]:
            del schema["oneOf"]  # anything, null too; of these two, null would be both
        return schema

    def _errors(self) -> list[str]:
        if AllowAny in self.view.permission_classes:
            return []
        # A body may be large, refused by the graph, or in conflict with what there is.
        writing = ["400", "409", "413", "415"] if self.method in ("POST", "PATCH") else []
        return sorted(["401", "403", "404", "422", "429", *writing])
