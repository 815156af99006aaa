from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone
from uuid_utils.compat import uuid7

from assistants.database import as_model, execute
from assistants.exceptions import AssistantNotFound, GraphNotFound, InvalidAssistant
from assistants.graphs import registry
from assistants.pagination import Page
from assistants.users import groups_of, has_permission

# LangGraph's own namespace (none of Python's, though it looks like them): an assistant has the same id
# here as on the official server (wire contract 2.2).
NAMESPACE = uuid.UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")


# Of an assistant `a`: it is not for everybody.
IS_RESTRICTED = "EXISTS (SELECT 1 FROM assistants_assistant_groups WHERE assistant_id = a.id)"
BY_ID = f"SELECT a.*, {IS_RESTRICTED} AS is_restricted FROM assistants_assistant a WHERE id = %(id)s"  # nosec B608

USE_ALL = "assistants.use_all_assistants"


def system_assistant_id(graph_id: str) -> uuid.UUID:
    return uuid.uuid5(NAMESPACE, graph_id)


class AssistantQuerySet(models.QuerySet["Assistant"]):
    def served(self) -> AssistantQuerySet:
        """Those whose graph this server has."""
        return self.filter(graph_id__in=registry.ids())

    def usable_by(self, user: Any) -> AssistantQuerySet:
        """Those that this user may see and run: for all others they do not exist.

        An assistant with groups is for their members, and for who may use all.
        """
        return self if has_permission(user, USE_ALL) else self._open_to(user)

    def find_for(self, user: Any, assistant_id: str | uuid.UUID) -> Assistant:
        """As ``find``, of those that this user may see and run."""
        found: Any = self.find(assistant_id)
        if found.is_restricted and not Assistant.objects.usable_by(user).filter(pk=found.pk).exists():
            raise AssistantNotFound(assistant_id)
        return found

    def _open_to(self, user: Any) -> AssistantQuerySet:
        groups = Assistant.groups.through.objects.filter(assistant=OuterRef("pk"))
        return self.filter(~Exists(groups) | Exists(groups.filter(group__in=groups_of(user))))

    def find(self, assistant_id: str | uuid.UUID) -> Assistant:
        """One served assistant by its UUID or by its graph's name; ``is_restricted`` says if it has groups.

        Raises AssistantNotFound for an unknown UUID, InvalidAssistant for an unknown name.
        """
        graph_ids = registry.ids()
        if assistant_id in graph_ids:
            key = system_assistant_id(str(assistant_id))
        else:
            try:
                key = uuid.UUID(str(assistant_id))
            except ValueError as exc:
                raise InvalidAssistant(assistant_id, graph_ids) from exc
        found = self._by_id(key)
        if found is None and assistant_id in graph_ids:  # a graph added since the last `migrate`
            Assistant.objects.sync()
            found = self._by_id(key)
        if found is None or found.graph_id not in graph_ids:
            raise AssistantNotFound(assistant_id)
        return found

    def _by_id(self, key: uuid.UUID) -> Assistant | None:
        for row in execute(BY_ID, {"id": key}):
            found: Any = as_model(self.model, row)
            found.is_restricted = row["is_restricted"]
            return found
        return None

    def search(
        self,
        *,
        metadata: dict[str, Any] | None = None,
        graph_id: str | None = None,
        name: str | None = None,
        limit: int = 10,
        offset: int = 0,
        sort_by: str | None = None,
        sort_order: str | None = None,
    ) -> Page[Assistant]:
        """A page of those that meet every condition. Raises GraphNotFound for a graph that is not served."""
        found = self
        if graph_id is not None:
            if graph_id not in registry.ids():
                raise GraphNotFound(graph_id, registry.ids())
            found = found.filter(graph_id=graph_id)
        if metadata:
            found = found.filter(metadata__contains=metadata)
        if name:
            found = found.filter(name__icontains=name)
        field = "id" if sort_by == "assistant_id" else sort_by or "created_at"
        found = found.order_by(f"{'' if sort_order == 'asc' else '-'}{field}", "id")
        return Page.of(found, limit=limit, offset=offset, total=found.count())

    def sync(self) -> None:
        """Give every graph its system assistant, described as it is now.

        Those of graphs that are gone stay: their runs name them.
        """
        known = dict(self.values_list("pk", "description"))
        assistants: list[Any] = [system_assistant(graph_id) for graph_id in registry.ids()]
        missing = [assistant for assistant in assistants if assistant.pk not in known]
        self.bulk_create(missing, ignore_conflicts=True)
        for assistant in assistants:
            if known.get(assistant.pk, assistant.description) != assistant.description:
                changes = {"description": assistant.description, "updated_at": timezone.now()}
                self.filter(pk=assistant.pk).update(**changes)


class Assistant(models.Model):
    """A graph with a configuration. Every graph has one of its own, made by ``sync``."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    graph_id = models.CharField(max_length=255, db_index=True)
    name = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001  (the API tells null from "")
    config: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    context: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    metadata: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    groups = models.ManyToManyField(
        Group, blank=True, related_name="+", help_text="Who may see and run it: their members. All, without."
    )
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AssistantQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        permissions = [("use_all_assistants", "Can use the assistants of all groups")]
        indexes = [
            # search by metadata containment
            GinIndex(fields=["metadata"], name="assistant_metadata_gin", opclasses=["jsonb_path_ops"]),
        ]

    def __str__(self) -> str:
        return self.name


def system_assistant(graph_id: str) -> Assistant:
    return Assistant(
        id=system_assistant_id(graph_id),
        graph_id=graph_id,
        name=graph_id,
        description=registry.description(graph_id),
        metadata={"created_by": "system"},
    )
