"""Every request has an id: the client's or a new one. It is in the answer's headers and in the log."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-Id"

# What may go into a log and a header: anything else is replaced.
PRINTABLE = re.compile(r"[!-~]{1,128}")

current: ContextVar[str] = ContextVar("request_id", default="")


class RequestIdMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if PRINTABLE.fullmatch(given) else str(uuid.uuid4())
        request.META["HTTP_X_REQUEST_ID"] = request_id
        token = current.set(request_id)
        try:
            response = self._get_response(request)
        finally:
            current.reset(token)
        response.headers[HEADER] = request_id
        return response


class RequestIdFilter(logging.Filter):
    """Gives records their ``request_id``, and ``request_mark``, which is the same for people to read."""

    def filter(self, record: logging.LogRecord) -> bool:
        request_id = current.get()
        vars(record).update(request_id=request_id, request_mark=f" [{request_id}]" if request_id else "")
        return True
