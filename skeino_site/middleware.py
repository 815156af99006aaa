from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import resolve
from django.utils.deprecation import MiddlewareMixin

WATCHED = frozenset({"/live", "/metrics", "/ready"})


class WatchersMiddleware:
    """Answers those who watch the server before other middleware can refuse or redirect them.

    They ask each process by its address, which is not among ALLOWED_HOSTS, and without TLS.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info not in WATCHED:
            return self.get_response(request)
        view, arguments, named = resolve(request.path_info)
        response = view(request, *arguments, **named)
        if hasattr(response, "render"):
            response.render()
        response.headers["Content-Length"] = str(len(response.content))
        return response


# The admin and the documentation have all they need beside them, and no scripts in their pages.
POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data:",
        "style-src 'self' 'unsafe-inline'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)


class ContentSecurityPolicyMiddleware(MiddlewareMixin):
    """What pages of ours may load and run: a graph's text that was taken for a script would not run."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
