"""Who asks, by the headers of a request. Named in ``REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

if TYPE_CHECKING:
    from threads.api_keys import ApiKey


class ApiKeyAuthentication(BaseAuthentication):
    """``X-Api-Key: KEY`` or ``Authorization: Bearer KEY``.

    What does not look like a key of this server is left to the other classes: the LangGraph clients send
    along whatever key their environment has. All that look so and are not usable get the same answer.
    """

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        from threads.api_keys import KEY, ApiKey  # settings name this class before there are models

        text = next(filter(KEY.fullmatch, given_keys(request)), None)
        if text is None:
            return None
        key = ApiKey.objects.authenticate(text)
        if key is None:
            raise AuthenticationFailed("Invalid API key.")
        key.note_use()
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def given_keys(request: Request) -> list[str]:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    bearer = [token.strip()] if scheme.lower() == "bearer" else []
    return [request.META.get("HTTP_X_API_KEY", ""), *bearer]
