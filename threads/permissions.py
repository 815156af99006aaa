"""Django's permissions, asked for by the API where SKEINO_MODEL_PERMISSIONS is on."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from assistants.users import has_permission
from threads.conf import conf


def may(user: Any, permissions: Collection[str] | None) -> bool:
    """Whether the user has them all; None is what nobody has."""
    if not conf.SKEINO_MODEL_PERMISSIONS:
        return True
    return permissions is not None and all(has_permission(user, permission) for permission in permissions)
