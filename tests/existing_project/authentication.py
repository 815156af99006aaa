from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request


class MemberAuthentication(BaseAuthentication):
    """By a header that something in front of the project sets."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        email = request.headers.get("X-Member")
        if email is None:
            return None
        member = get_user_model()._default_manager.filter(email=email).first()
        if member is None:
            raise AuthenticationFailed("No member")
        return member, None

    def authenticate_header(self, request: Request) -> str:
        return "Member"
