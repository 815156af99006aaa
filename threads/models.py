from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import IntegrityError, models, transaction
from django.db.models import F, Q, Value
from django.db.models.expressions import CombinedExpression
from django.utils import timezone
from uuid_utils.compat import uuid7

from assistants.pagination import Page
from threads import checkpointer
from threads.conf import conf
from threads.exceptions import InvalidThreadId, ThreadExists, ThreadNotFound
from threads.fields import JSONField

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser, AnonymousUser

    from threads.state import Outcome


# Dropped from what clients send (wire contract 3.2). `graph_id` and `assistant_id` they may set.
RESERVED_METADATA = {"thread_id", "run_id", "cron_id"}


class ThreadQuerySet(models.QuerySet["Thread"]):
    def visible_to(self, user: AbstractUser | AnonymousUser) -> ThreadQuerySet:
        """The threads this user may see, and no other exists for them. The only place that knows."""
        if not user.is_authenticated:
            return self.filter(owner=None) if conf.SKEINO_ALLOW_ANONYMOUS else self.none()
        if user.has_perm("threads.view_all_threads"):
            return self
        return self.filter(owner=user)

    def without_values(self) -> ThreadQuerySet:
        """For those who need the thread and not its state, which may be large."""
        return self.defer("values", "interrupts")

    def find(self, thread_id: str | uuid.UUID) -> Thread:
        """One thread by its id. Raises InvalidThreadId or ThreadNotFound."""
        try:
            key = uuid.UUID(str(thread_id))
        except ValueError as exc:
            raise InvalidThreadId from exc
        found = self.filter(pk=key).first()
        if found is None:
            raise ThreadNotFound(thread_id)
        return found

    def lock(self, thread_id: uuid.UUID) -> Thread:
        """The thread with its row locked until the transaction ends. Raises ThreadNotFound."""
        thread = self.select_for_update(of=("self",)).filter(pk=thread_id).first()
        if thread is None:
            raise ThreadNotFound(thread_id)
        return thread

    def find_or_open(self, thread_id: str | uuid.UUID, *, user: AbstractUser | AnonymousUser) -> Thread:
        """One thread by its id, made if there is none. Raises as ``find``, for other users' threads too."""
        try:
            return self.find(thread_id)
        except ThreadNotFound as missing:
            try:
                return self.open(user=user, thread_id=uuid.UUID(str(thread_id)), if_exists="do_nothing")
            except ThreadExists:
                raise missing from None

    def open(
        self,
        *,
        user: AbstractUser | AnonymousUser,
        thread_id: uuid.UUID | None = None,
        metadata: dict[str, Any] | None = None,
        if_exists: str | None = "raise",
        ttl: dict[str, Any] | None = None,
    ) -> Thread:
        """Create a thread of the user's, or with ``if_exists="do_nothing"`` return the one that is there.

        Raises ThreadExists, also for a thread that the user may not see.
        """
        owner: Any = user if user.is_authenticated else None
        thread = Thread(id=thread_id or uuid7(), owner=owner, metadata=own_metadata(metadata))
        thread.live_for(ttl)
        try:
            with transaction.atomic():
                thread.save(force_insert=True)
        except IntegrityError as exc:
            visible = Thread.objects.visible_to(user).filter(pk=thread.id).first()
            if visible is None or if_exists != "do_nothing":
                raise ThreadExists(thread.id) from exc
            return visible
        return thread

    def search(
        self,
        *,
        ids: list[uuid.UUID] | None = None,
        metadata: dict[str, Any] | None = None,
        values: dict[str, Any] | None = None,
        status: str | None = None,
        limit: int = 10,
        offset: int = 0,
        sort_by: str | None = None,
        sort_order: str | None = None,
    ) -> Page[Thread]:
        """A page of those that meet every condition, newest first unless told otherwise. One query."""
        found = self
        if ids is not None:
            found = found.filter(pk__in=ids)
        if metadata:
            found = found.filter(metadata__contains=metadata)
        if values:
            found = found.filter(values__contains=values)
        if status:
            found = found.filter(status=status)
        field = "id" if sort_by == "thread_id" else sort_by or "created_at"
        direction = "" if sort_order == "asc" else "-"
        return Page.of(found.order_by(f"{direction}{field}", f"{direction}id"), limit=limit, offset=offset)

    def free_idle(self) -> int:
        """Let threads be idle that are busy without an active run; returns how many. Reads all threads."""
        busy = self.filter(status=Thread.Status.BUSY).exclude(runs__status__in=("pending", "running"))
        return busy.update(status=Thread.Status.IDLE)

    def expired(self) -> ThreadQuerySet:
        """Those whose time is up and on which nothing runs."""
        return self.filter(expires_at__lte=timezone.now()).exclude(status=Thread.Status.BUSY)


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
    metadata = JSONField(default=dict, blank=True)
    config = JSONField(default=dict, blank=True)
    values = JSONField(null=True, blank=True, editable=False)
    interrupts = JSONField(null=True, blank=True, editable=False)
    error = JSONField(null=True, blank=True, editable=False)
    ttl_minutes = models.FloatField(null=True, blank=True)
    ttl_strategy = models.CharField(max_length=16, choices=TTLStrategy.choices, default=TTLStrategy.DELETE)
    expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    state_updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ThreadQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        permissions = [("view_all_threads", "Can view the threads of all users")]
        # No index on status, values or the other times: every run changes them, and an update that touches
        # no indexed column leaves the indexes alone (HOT).
        indexes = [
            # a user's list, and everybody's
            models.Index(fields=["owner", "-created_at", "-id"], name="thread_owner_created"),
            models.Index(fields=["-created_at", "-id"], name="thread_created"),
            GinIndex(fields=["metadata"], name="thread_metadata_gin", opclasses=["jsonb_path_ops"]),
            models.Index(fields=["expires_at"], name="thread_expires", condition=Q(expires_at__isnull=False)),
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

    @transaction.atomic
    def copy(self, user: AbstractUser | AnonymousUser, *, history: bool) -> Thread:
        """A new thread of the user's with this one's state; its runs stay behind.

        Locks this thread's row. Its metadata says where it comes from, under ``forked_from``. Raises
        ThreadNotFound if the thread has just been deleted.
        """
        source = Thread.objects.lock(self.pk)
        paused = Thread.Status.INTERRUPTED if source.interrupts else Thread.Status.IDLE
        target = Thread.objects.create(
            owner=user if user.is_authenticated else None,  # type: ignore[misc]
            metadata={**source.metadata, "forked_from": str(source.pk)},
            config=source.config,
            values=source.values,
            interrupts=source.interrupts,
            status=paused if source.status == Thread.Status.BUSY else source.status,
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
        """A run has ended: take over its state. ``busy`` if more runs wait. Call with its row locked."""
        self.status = Thread.Status.BUSY if busy else outcome.thread_status
        self.interrupts, self.error = outcome.interrupts, outcome.error
        fields = ["status", "interrupts", "error", "updated_at"]
        if outcome.values is not None:
            self.values, self.state_updated_at = outcome.values, now
            self._postpone_expiry(now)
            fields += ["values", "state_updated_at", "expires_at"]
        self.updated_at = now
        self.save(update_fields=fields)


def own_metadata(metadata: dict[str, Any] | None) -> dict[str, Any]:
    """What of a client's metadata is kept: not the keys under which the server says what ran."""
    return {key: value for key, value in (metadata or {}).items() if key not in RESERVED_METADATA}
