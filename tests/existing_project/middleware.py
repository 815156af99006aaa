from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase


def sign(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers["X-Project"] = "existing"
        return response

    return middleware


def handle(exc: Exception, context: dict[str, Any]) -> None:
    """The project's exception handler, which has never heard of the API's errors."""
    raise exc
