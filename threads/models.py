from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models, transaction
from django.db.models import F, Q, Value
from django.db.models.expressions import CombinedExpression
from django.utils import timezone
from uuid_utils.compat import uuid7

from threads import checkpointer
from threads.api_keys import ApiKey  # noqa: F401  (Django looks for models here)
from threads.exceptions import ThreadBusy, ThreadNotFound, ThreadNotPrunable
from threads.fields import JSONField
from threads.querysets import ThreadQuerySet, own_metadata
from threads.sharing import ThreadShare  # noqa: F401  (as above)
from threads.text_search import ThreadText  # noqa: F401  (as above)
from threads.titles import MESSAGE_COUNT, TITLE

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser, AnonymousUser

    from threads.state import Outcome


class Thread(models.Model):
    """A conversation: what runs on it share. Its state lives in checkpoints under the same id.

    However a thread is deleted, its runs, events and checkpoints go with it (threads.signals, runs.signals).

    ``values`` and ``interrupts`` are copies of what the latest checkpoint holds, for lists and searches.
    """

    class Status(models.TextChoices):
        IDLE = "idle"
        BUSY = "busy"
        INTERRUPTED = "interrupted"
        ERROR = "error"

    class TTLStrategy(models.TextChoices):
        DELETE = "delete"
        KEEP_LATEST = "keep_latest"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="threads",
        db_index=False,  # the indexes below begin with it
    )
    external_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001  (null is "has none")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.IDLE)
    # What the status is when no run is active.
    settled_status = models.CharField(
        max_length=16, choices=Status.choices, default=Status.IDLE, editable=False
    )
    metadata = JSONField(default=dict, blank=True)
    config = JSONField(default=dict, blank=True)
    values = JSONField(null=True, blank=True, editable=False)
    interrupts = JSONField(null=True, blank=True, editable=False)
    error = JSONField(null=True, blank=True, editable=False)
    title = models.GeneratedField(expression=TITLE, output_field=models.TextField(), db_persist=True)
    message_count = models.GeneratedField(
        expression=MESSAGE_COUNT, output_field=models.IntegerField(null=True), db_persist=True
    )
    # Made for one run, and deleted some time after it.
    temporary = models.BooleanField(default=False, editable=False)
    ttl_minutes = models.FloatField(null=True, blank=True)
    ttl_strategy = models.CharField(max_length=16, choices=TTLStrategy.choices, default=TTLStrategy.DELETE)
    expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    state_updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ThreadQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        permissions = [
            ("view_all_threads", "Can view the threads of all users"),
            ("manage_all_threads", "Can view, run on, change and delete the threads of all users"),
            ("view_thread_content", "Can view what threads and runs hold: values, messages, events"),
            ("change_state", "Can edit the state of threads"),
            ("share_thread", "Can share threads with groups"),
        ]
        # No index on status, values or the other times: every run changes them, and an update that touches
        # no indexed column leaves the indexes alone (HOT).
        indexes = [
            # a user's list, and everybody's
            models.Index(fields=["owner", "-created_at", "-id"], name="thread_owner_created"),
            models.Index(fields=["-created_at", "-id"], name="thread_created"),
            GinIndex(fields=["metadata"], name="thread_metadata_gin", opclasses=["jsonb_path_ops"]),
            models.Index(fields=["expires_at"], name="thread_expires", condition=Q(expires_at__isnull=False)),
            # the searches of the admin
            GinIndex(SearchVector("title", config="simple"), name="thread_title_search"),
            models.Index(
                fields=["external_id"],
                opclasses=["varchar_pattern_ops"],
                name="thread_external_id_begins",
                condition=Q(external_id__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "external_id"],
                name="thread_external_id_per_owner",
                condition=Q(external_id__isnull=False),
            ),
            # SQL holds null owners for different ones.
            models.UniqueConstraint(
                fields=["external_id"],
                name="thread_external_id_without_owner",
                condition=Q(external_id__isnull=False, owner=None),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def graph_id(self) -> str | None:
        """The graph of the latest run, or of the metadata given at creation."""
        return self.metadata.get("graph_id")

    def patch(self, *, metadata: dict[str, Any] | None = None, ttl: dict[str, Any] | None = None) -> None:
        """Merge metadata and set the time to live, in one statement: no concurrent edit is lost.

        Raises ThreadNotFound if the thread has just been deleted.
        """
        changes: dict[str, Any] = {"updated_at": timezone.now()}
        if metadata:
            added = Value(own_metadata(metadata), output_field=JSONField())
            changes["metadata"] = CombinedExpression(F("metadata"), "||", added)
        if ttl is not None:
            self.live_for(ttl)
            changes |= {name: getattr(self, name) for name in ("ttl_minutes", "ttl_strategy", "expires_at")}
        if not Thread.objects.filter(pk=self.pk).update(**changes):
            raise ThreadNotFound(self.pk)
        self.refresh_from_db()

    def live_for(self, ttl: dict[str, Any] | None) -> None:
        """Set what ``ttl`` says: ``ttl`` in minutes from the latest change of the state, and ``strategy``."""
        if ttl is not None:
            self.ttl_minutes, self.ttl_strategy = ttl["ttl"], ttl.get("strategy") or Thread.TTLStrategy.DELETE
            self._postpone_expiry(timezone.now())

    def _postpone_expiry(self, now: datetime) -> None:
        self.expires_at = None if self.ttl_minutes is None else now + timedelta(minutes=self.ttl_minutes)

    def expire(self) -> None:
        """Do what is to be done when the thread's time is up."""
        if self.ttl_strategy == Thread.TTLStrategy.DELETE:
            self.delete()
            return
        checkpointer.prune([str(self.pk)])
        self.expires_at = None
        self.save(update_fields=["expires_at"])

    def prune(self) -> None:
        """Delete all checkpoints but the latest, in a transaction of its own.

        Raises ThreadBusy while runs are active, ThreadNotPrunable for what cannot be.
        """
        if Thread.objects.filter(pk=self.pk, status=Thread.Status.BUSY).exists():
            raise ThreadBusy
        try:
            checkpointer.prune([str(self.pk)])
        except NotImplementedError as exc:
            raise ThreadNotPrunable from exc

    @transaction.atomic
    def copy(self, user: AbstractUser | AnonymousUser, *, history: bool) -> Thread:
        """A new thread of the user's with this one's state; its runs stay behind.

        Locks this thread's row. Its metadata says where it comes from, under ``forked_from``. Raises
        ThreadNotFound if the thread has just been deleted.
        """
        source = Thread.objects.lock(self.pk)
        is_busy = source.status == Thread.Status.BUSY
        status = source.settled_status if is_busy else source.status
        target = Thread.objects.create(
            owner=user if user.is_authenticated else None,  # type: ignore[misc]
            metadata={**source.metadata, "forked_from": str(source.pk)},
            config=source.config,
            values=source.values,
            interrupts=source.interrupts,
            status=status,
            settled_status=status,
            error=source.error,
        )
        checkpointer.copy(str(source.pk), str(target.pk), history=history)
        return target

    def occupy(self, *, metadata: dict[str, Any], config: dict[str, Any]) -> None:
        """A run is coming: the thread is busy, and stamped with what runs on it. Call with its row locked."""
        self.status = Thread.Status.BUSY
        self.metadata = {**self.metadata, **metadata}
        self.config = config
        self.updated_at = timezone.now()
        self.save(update_fields=["status", "metadata", "config", "updated_at"])

    def settle(self, outcome: Outcome, *, busy: bool, now: datetime) -> None:
        """Take over a state that no worker's run has left: ``runs.statements`` does the same for those.

        ``busy`` if runs wait. Call with its row locked.
        """
        self.settled_status = outcome.thread_status
        self.status = Thread.Status.BUSY if busy else self.settled_status
        self.interrupts, self.error = outcome.interrupts, outcome.error
        fields = ["status", "settled_status", "interrupts", "error", "updated_at"]
        if outcome.values is not None:
            self.values, self.state_updated_at = outcome.values, now
            self._postpone_expiry(now)
            fields += ["values", "state_updated_at", "expires_at"]
        self.updated_at = now
        self.save(update_fields=fields)
