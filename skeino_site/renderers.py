from __future__ import annotations

from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer

from threads.encoding import encode


class JSONRenderer(BaseRenderer):
    """JSON, by the encoder that events and stored values go through."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        response = (renderer_context or {}).get("response")
        if data is None and response is not None and response.status_code in (202, 204):
            return b""
        return encode(data).encode()


class Always(BaseContentNegotiation):
    """The first parser and renderer, whatever the headers say: this API speaks JSON and event streams.

    Clients accept ``text/event-stream`` and get a JSON error; LangGraph Studio sends JSON as ``text/plain``.
    """

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
