"""Refusals of this API, in their envelope and with a code that programs can read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from runs.graph_api.envelopes import CODES, failure, request_id

logger = logging.getLogger("django.request")

REFUSED_BODIES = (exceptions.ValidationError, exceptions.ParseError)
REFUSED_CREDENTIALS = (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)


class ThreadIdRequired(exceptions.APIException):
    """It takes a thread_id to say which conversation this is."""

    status_code = 422
    default_code = "thread_id_required"
    default_detail = __doc__

    def __init__(self, *place: str) -> None:
        super().__init__()
        self.place = place


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """What DRF makes of an exception, with the status, code and envelope of this API."""
    response = drf_exception_handler(exc, context)
    if response is None and settings.DEBUG:  # in place of Django's page for developers
        logger.error("Internal Server Error: %s", context["request"].path, exc_info=exc)
        response = Response({"detail": f"{type(exc).__name__}: {exc}"}, status=500)
    if response is None:
        return None
    if isinstance(exc, REFUSED_BODIES):
        response.status_code = 422
    details = list(_details(exc, "query" if context["request"].method == "GET" else "body"))
    if isinstance(exc, exceptions.ValidationError):
        message = _sentence(details[0])
    else:
        message = str(response.data["detail"])
    code = _code(exc, response.status_code)
    response.data = failure(request_id(context["request"]), code, message, details)
    return response


def _code(exc: Exception, status: int) -> str:
    # The codes of these say less: "invalid", "parse_error", "authentication_failed".
    if isinstance(exc, (*REFUSED_BODIES, *REFUSED_CREDENTIALS)) or not isinstance(
        exc, exceptions.APIException
    ):
        return CODES[status]
    return str(exc.default_code).upper()


def _sentence(detail: dict[str, Any]) -> str:
    place = ".".join(map(str, detail["loc"][1:]))
    return f"{place}: {detail['msg']}" if place else str(detail["msg"])


def _details(exc: Exception, origin: str) -> Iterator[dict[str, Any]]:
    if isinstance(exc, exceptions.ValidationError):
        yield from _flat(exc.detail, [origin])
    elif isinstance(exc, exceptions.ParseError):
        yield {"loc": [origin], "msg": str(exc.detail), "type": "json_invalid"}
    elif isinstance(exc, ThreadIdRequired):
        yield {"loc": [origin, *exc.place], "msg": str(exc.detail), "type": "missing"}


def _flat(errors: Any, place: list[str | int]) -> Iterator[dict[str, Any]]:
    """DRF's errors, which nest as the body does, one after another."""
    if isinstance(errors, dict):
        for key, inner in errors.items():
            yield from _flat(inner, place if key == "non_field_errors" else [*place, key])
    elif isinstance(errors, list):
        for index, inner in enumerate(errors):
            yield from _flat(inner, place if isinstance(inner, str) else [*place, index])
    else:
        yield {"loc": place, "msg": str(errors), "type": getattr(errors, "code", "invalid")}
