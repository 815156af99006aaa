from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, models, transaction
from django.utils import timezone
from orjson import Fragment
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from assistants.database import by_id, execute, key_of, page
from assistants.pagination import Page
from threads import checkpointer
from threads.encoding import encode
from threads.exceptions import InvalidThreadId, ThreadExists, ThreadForbidden, ThreadNotFound
from threads.policy import Access, thread_policy

if TYPE_CHECKING:
    from threads.models import Thread
    from threads.policy import User

# Dropped from what clients send (wire contract 3.2). `graph_id` and `assistant_id` they may set.
RESERVED_METADATA = {"thread_id", "run_id", "cron_id"}

# What may be megabytes.
LARGE = ("values", "interrupts")

# What a search shows of a thread.
FOUND_JSON = ("metadata", "config", "values", "interrupts", "error")
FOUND = ("id", "status", "created_at", "updated_at", "state_updated_at", *FOUND_JSON)

# What an open thread has. The rest is NULL, or empty.
OPENED = [
    "id",
    "owner_id",
    "status",
    "settled_status",
    "metadata",
    "temporary",
    "ttl_minutes",
    "ttl_strategy",
    "expires_at",
    "created_at",
    "updated_at",
    "state_updated_at",
]
OPEN = f"""
INSERT INTO threads_thread ({", ".join(OPENED)}, config)
VALUES ({", ".join(f"%({name})s" for name in OPENED)}, '{{}}') ON CONFLICT (id) DO NOTHING RETURNING id
"""  # nosec B608  (constants)

# Of the ids that are made from a thread's owner and the name it has for them.
NAMESPACE = uuid.UUID("e94ef89e-10cc-4a11-9448-9f7480473f66")


class FoundThread:
    """A thread as a search found it, its JSON encoded."""

    def __init__(self, row: dict[str, Any]) -> None:
        encoded = {name: None if row[name] is None else Fragment(row[name]) for name in FOUND_JSON}
        self.pk, self.status = row["id"], row["status"]
        self.created_at, self.updated_at = row["created_at"], row["updated_at"]
        self.state_updated_at = row["state_updated_at"]
        self.metadata, self.config = encoded["metadata"], encoded["config"]
        self.values, self.interrupts, self.error = encoded["values"], encoded["interrupts"], encoded["error"]


class ThreadQuerySet(models.QuerySet["Thread"]):
    def visible_to(self, user: User) -> ThreadQuerySet:
        """The threads this user may see, and no other exists for them: see ``threads.policy``."""
        return self.allowed_to(user, Access.READ)

    def allowed_to(self, user: User, access: Access) -> ThreadQuerySet:
        """The threads to which this user has that access."""
        return thread_policy().allowed(self, user, access)

    def find_for(
        self, user: User, thread_id: str | uuid.UUID, access: Access = Access.READ, *, values: bool = True
    ) -> Thread:
        """One thread by its id, for a user who wants that access. Without ``values`` as ``without_values``.

        Raises InvalidThreadId; ThreadNotFound, also for a thread the user may not see; ThreadForbidden.
        """
        return _allowed(self.find(thread_id, values=values), user, access, name=thread_id)

    def without_values(self) -> ThreadQuerySet:
        """For those who need the thread and not its state, which may be large."""
        return self.defer(*LARGE)

    def find(self, thread_id: str | uuid.UUID, *, values: bool = True) -> Thread:
        """One thread by its id. Raises InvalidThreadId or ThreadNotFound."""
        try:
            key = uuid.UUID(str(thread_id))
        except ValueError as exc:
            raise InvalidThreadId from exc
        found = by_id(self.model, key, without=() if values else LARGE)
        if found is None:
            raise ThreadNotFound(thread_id)
        return found

    def lock(self, thread_id: uuid.UUID) -> Thread:
        """The thread with its row locked until the transaction ends. Raises ThreadNotFound."""
        thread = self.select_for_update(of=("self",)).filter(pk=thread_id).first()
        if thread is None:
            raise ThreadNotFound(thread_id)
        return thread

    def find_or_open(
        self, user: User, thread_id: str | uuid.UUID, access: Access, *, values: bool = True
    ) -> Thread:
        """As ``find_for``, but a thread that is not there is made."""
        try:
            return self.find_for(user, thread_id, access, values=values)
        except ThreadNotFound as missing:
            try:
                return self.open(user=user, thread_id=uuid.UUID(str(thread_id)), if_exists="do_nothing")
            except ThreadExists:
                raise missing from None

    def named(self, user: User, name: str) -> ThreadQuerySet:
        """The thread of that id, if the name is one, else that which the user calls so: at most one."""
        key = as_uuid(name)
        if key is not None:
            return self.filter(pk=key)
        return self.filter(owner=user.pk if user.is_authenticated else None, external_id=name)

    def find_named(self, user: User, name: str, access: Access) -> Thread:
        """As ``find_for``, by a name: see ``named``."""
        found = self.named(user, name).first()
        if found is None:
            raise ThreadNotFound(name)
        return _allowed(found, user, access, name=name)

    def find_or_open_named(self, user: User, name: str, access: Access) -> Thread:
        """As ``find_named``; made if there is none, and of several who do so at once by one alone.

        The name has at most 255 characters.
        """
        owner: Any = user if user.is_authenticated else None
        for thread_id in _ids_for(name, owner):
            if self.named(user, name).exists():
                break
            with suppress(IntegrityError), transaction.atomic():
                return self.model.objects.create(id=thread_id, owner=owner, external_id=name)
        return self.find_named(user, name, access)

    def open(
        self,
        *,
        user: User,
        thread_id: uuid.UUID | None = None,
        metadata: dict[str, Any] | None = None,
        if_exists: str | None = "raise",
        ttl: dict[str, Any] | None = None,
        temporary: bool = False,
    ) -> Thread:
        """Create a thread of the user's, or with ``if_exists="do_nothing"`` return the one that is there.

        Raises ThreadExists, also for a thread that the user may not see.
        """
        owner: Any = user if user.is_authenticated else None
        thread = self.model(
            id=thread_id or uuid7(), owner=owner, metadata=own_metadata(metadata), temporary=temporary
        )
        thread.live_for(ttl)
        values = {name: getattr(thread, name) for name in OPENED}
        values["owner_id"] = key_of(self.model, "owner", thread.owner_id)
        values["metadata"] = Jsonb(encode(thread.metadata), str)
        if execute(OPEN, values):
            thread._state.adding = False
            return thread
        visible = self.model.objects.visible_to(user).filter(pk=thread.id).first()
        if visible is None or if_exists != "do_nothing":
            raise ThreadExists(thread.id)
        return visible

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
        decoded: bool = True,
    ) -> Page[Thread | FoundThread]:
        """A page of those that meet every condition, newest first unless told otherwise. One query.

        Threads that were made for one run are left out. What is JSON need not be ``decoded``, if it is only
        to be encoded again.
        """
        found = self.filter(temporary=False)
        if ids is not None:
            found = found.filter(pk__in=ids)
        if metadata:
            found = found.filter(metadata__contains=metadata)
        if values:
            found = found.filter(values__contains=values)
        if status:
            found = found.filter(status=status)
        field = "id" if sort_by == "thread_id" else sort_by or "created_at"
        sign = "" if sort_order == "asc" else "-"
        rows = None
        if not decoded:
            rows = page(found, FOUND, order_by=f"{sign}{field}", limit=limit + 1, offset=offset)
        if rows is None:
            return Page.of(found.order_by(f"{sign}{field}", f"{sign}id"), limit=limit, offset=offset)
        return Page.cut([FoundThread(row) for row in rows], limit=limit, offset=offset)

    def free_idle(self) -> int:
        """Settle the threads that are busy without an active run; returns how many. Reads all threads."""
        busy = self.filter(status=self.model.Status.BUSY).exclude(runs__status__in=("pending", "running"))
        return busy.update(status=models.F("settled_status"))

    @transaction.atomic
    def delete_temporary(self, limit: int) -> int:
        """Delete so many expired threads that were made for one run; returns how many.

        In a few statements for all: their runs and events go by the database's own cascade. Locks their rows,
        and skips those that are locked.
        """
        expired = self.expired().filter(temporary=True).order_by("expires_at")
        ids = list(expired.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
        self.filter(pk__in=ids)._raw_delete(self.db)
        checkpointer.delete([str(pk) for pk in ids])
        return len(ids)

    def expired(self) -> ThreadQuerySet:
        """Those whose time is up and on which nothing runs."""
        return self.filter(expires_at__lte=timezone.now()).exclude(status=self.model.Status.BUSY)


def _allowed(thread: Thread, user: User, access: Access, *, name: object) -> Thread:
    policy = thread_policy()
    if not policy.allows(thread, user, Access.READ):
        raise ThreadNotFound(name)
    if access != Access.READ and not policy.allows(thread, user, access):
        raise ThreadForbidden(access)
    return thread


def own_metadata(metadata: dict[str, Any] | None) -> dict[str, Any]:
    """What of a client's metadata is kept: not the keys under which the server says what ran."""
    return {key: value for key, value in (metadata or {}).items() if key not in RESERVED_METADATA}


def as_uuid(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(name)
    except ValueError:
        return None


def _ids_for(name: str, owner: Any) -> list[uuid.UUID]:
    """The ids that a new thread of that name may have, best first."""
    key = as_uuid(name)
    if key is not None:
        return [key]
    # The first can be worked out by others, and taken by them.
    return [uuid.uuid5(NAMESPACE, f"{owner.pk if owner else ''}:{name}"), uuid7()]
