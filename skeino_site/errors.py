"""Every error as JSON: ``{"detail": "<one string>"}``, field errors beside it under ``errors``."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from assistants.exceptions import first_error
from runs.graph_api import envelopes
from threads.encoding import encode


class TemporaryRedirect(HttpResponseRedirect):
    status_code = 307  # unlike 301 and 302, the method and the body are sent again


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """What DRF raises, with 422 for a bad body and ``detail`` a string, which the SDKs show."""
    response = drf_exception_handler(exc, context)
    if response is None:
        return None
    if isinstance(exc, exceptions.ValidationError):
        response.status_code = 422
        errors = exc.detail if isinstance(exc.detail, dict) else {"non_field_errors": exc.detail}
        response.data = {"detail": first_error(errors), "errors": errors}
    elif isinstance(exc, exceptions.ParseError):
        response.status_code = 422
    elif isinstance(exc, exceptions.MethodNotAllowed):
        response.data = {"detail": "Method Not Allowed"}
    return response


@csrf_exempt
def catch_all(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
    """Every path that no route has: slashes too many or too few are redirected, the rest is not found."""
    path = request.path_info
    for candidate in (path.rstrip("/"), f"{path}/"):
        if candidate and candidate != path and _has_route(candidate):
            query = request.META.get("QUERY_STRING", "")
            prefix = request.META.get("SCRIPT_NAME", "")
            return TemporaryRedirect(f"{prefix}{quote(candidate)}{'?' if query else ''}{query}")
    return _refusal(request, 404, "Not Found")


def _has_route(path: str) -> bool:
    try:
        return resolve(path).func is not catch_all
    except Resolver404:
        return False


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return _refusal(request, 413, "The body is larger than this server takes.")
    return _refusal(
        request, 400, "Bad Request" if isinstance(exception, SuspiciousOperation) else str(exception)
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _refusal(request, 403, "Forbidden")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _refusal(request, 404, "Not Found")


def server_error(request: HttpRequest) -> HttpResponse:
    return _refusal(request, 500, "Internal Server Error")


def _refusal(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """Where no view of the API has a say: in the form that the path's answers have."""
    body: dict[str, Any] = {"detail": detail}
    if envelopes.covers(request.path_info):
        body = envelopes.failure(envelopes.request_id(request), envelopes.CODES[status], detail)
    return HttpResponse(encode(body), status=status, content_type="application/json")
