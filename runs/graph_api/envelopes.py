"""What every JSON answer of this API comes in."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from threads.encoding import encode

# Codes of refusals that have no name of their own, by status.
CODES = {
    400: "BAD_REQUEST",
    401: "NOT_AUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "TOO_LARGE",
    422: "VALIDATION_ERROR",
    429: "THROTTLED",
    500: "INTERNAL_ERROR",
}


def covers(path: str) -> bool:
    """Whether answers at that path come in an envelope."""
    return path in ("/ping", "/v1/graph") or path.startswith(("/v1/graph/", "/v1/graph:"))


def success(request_id: str, data: Any) -> dict[str, Any]:
    return {"success": True, "data": data, "metadata": _metadata(request_id, "OK")}


def failure(
    request_id: str, code: str, message: str, details: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    error = {"code": code, "message": message, "details": details or []}
    return {"success": False, "error": error, "metadata": _metadata(request_id, "Failed")}


def request_id(request: HttpRequest | Request) -> str:
    """As the client, or the middleware that makes one, has named the request."""
    return str(request.META.get("HTTP_X_REQUEST_ID", ""))


def _metadata(request_id: str, message: str) -> dict[str, Any]:
    return {"request_id": request_id, "timestamp": timezone.now(), "message": message}


class EnvelopeRenderer(BaseRenderer):
    """JSON in the envelope of success. Failures are in theirs already."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        context = renderer_context or {}
        if not context["response"].exception:
            data = success(request_id(context["request"]), data)
        return encode(data).encode()
