"""Who asked for a run, as graphs are told: ``config["configurable"]["langgraph_auth_user"]``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

from runs.conf import conf

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

# The keys of `configurable` that say who asked. No client sets them.
PREFIX = "langgraph_auth_"
NOBODY: dict[str, Any] = {
    "langgraph_auth_user": None,
    "langgraph_auth_user_id": "",
    "langgraph_auth_permissions": [],
}


@dataclass(frozen=True)
class GraphUser:
    """A user as LangGraph's ``BaseUser`` protocol has them: with attributes, and like a dict."""

    identity: str
    display_name: str
    permissions: list[str]
    is_authenticated: bool = True

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise KeyError(key)
        return getattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in {*self}

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in fields(self))


def graph_user(user: AbstractUser) -> GraphUser:
    """What graphs are told unless SKEINO_GRAPH_USER names another function."""
    return GraphUser(
        identity=str(user.pk),
        display_name=_name(user),
        permissions=sorted(user.get_all_permissions()) if hasattr(user, "get_all_permissions") else [],
    )


def configurable(user: AbstractUser | None) -> dict[str, Any]:
    """The keys of ``configurable`` that say who asked. Raises what the project's function raises."""
    if user is None:
        return NOBODY
    told = import_string(conf.SKEINO_GRAPH_USER)(user)
    return {
        "langgraph_auth_user": told,
        "langgraph_auth_user_id": str(told["identity"]),
        "langgraph_auth_permissions": list(told["permissions"]),
    }


def _name(user: AbstractUser) -> str:
    full_name = user.get_full_name() if hasattr(user, "get_full_name") else ""
    return full_name or user.get_username()
