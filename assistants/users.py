"""What is asked of users. Not all user models have permissions and groups."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.db.models import QuerySet


def has_permission(user: Any, permission: str) -> bool:
    """As ``user.has_perm``."""
    has_perm = getattr(user, "has_perm", None)
    return has_perm is not None and has_perm(permission)


def groups_of(user: Any) -> QuerySet[Group]:
    groups = getattr(user, "groups", None)
    return Group.objects.none() if groups is None else groups.all()
