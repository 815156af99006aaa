from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from threads.conf import conf
from threads.permissions import may

if TYPE_CHECKING:  # this module is loaded while that one is
    from rest_framework.views import APIView


class IsAuthenticatedOrAnonymousAllowed(BasePermission):
    """A user, or anybody where ``SKEINO_ALLOW_ANONYMOUS`` is set."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.is_authenticated or conf.SKEINO_ALLOW_ANONYMOUS


class HasModelPermissions(BasePermission):
    """Who has the permissions that the view names for its action, where SKEINO_MODEL_PERMISSIONS is on."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        action = getattr(view, "action", None)
        if action in (None, "metadata"):  # a method that the path has not, and OPTIONS
            return True
        return may(request.user, getattr(view, "permissions", {}).get(action))
