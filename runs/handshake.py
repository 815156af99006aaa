"""How sockets are opened: by whom, and from which pages."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import ParseResult

from channels.security.websocket import OriginValidator, WebsocketDenier
from django.core.handlers.asgi import ASGIRequest
from rest_framework.request import Request
from rest_framework.settings import api_settings


def handshake(scope: Any) -> Request:
    """The opening of a socket as a request, authenticated by the classes that authenticate requests.

    Programs send their key in a header, as with every request. Browsers cannot set headers here: they have
    the session, which Channels' AuthMiddlewareStack reads and SessionAuthentication takes.
    """
    opened = ASGIRequest({**scope, "method": "GET"}, BytesIO())
    opened.user, opened.session = scope.get("user"), scope.get("session")
    classes: Any = api_settings.DEFAULT_AUTHENTICATION_CLASSES  # imported already, whatever the stubs say
    authenticators = [authentication() for authentication in classes]
    return Request(opened, authenticators=authenticators)


class BrowserOriginValidator(OriginValidator):
    """Refuses pages of other sites. What sends no origin is no browser, and sends no cookies unasked."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        try:
            return await super().__call__(scope, receive, send)
        except ValueError:  # an origin that is no URL
            return await WebsocketDenier()(scope, receive, send)

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        return parsed_origin is None or self.validate_origin(parsed_origin)
