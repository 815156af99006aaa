from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connections, models, transaction
from django.db.models import F
from django.utils import timezone
from uuid_utils.compat import uuid7

from assistants.models import Assistant
from runs import jobs
from runs.conf import conf
from runs.exceptions import InvalidRunId, RunNotFound, TooManyRuns
from runs.retention import PruneEvents, PruneRuns
from threads.exceptions import ThreadBusy
from threads.models import Thread
from threads.querysets import own_metadata

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    from runs.models import Run

# The first of the two numbers of advisory locks on users.
LOCK_SPACE = 1_397_444_937

# Runs that have just been submitted or released are not yet lost.
RECOVERY_AGE = timedelta(seconds=30)


class RunQuerySet(PruneRuns, models.QuerySet["Run"]):
    def active(self) -> RunQuerySet:
        """Those that wait or execute."""
        return self.filter(status__in=self.model.ACTIVE)

    def find(self, run_id: str | uuid.UUID) -> Run:
        """One run by its id. Raises InvalidRunId or RunNotFound."""
        try:
            key = uuid.UUID(str(run_id))
        except ValueError as exc:
            raise InvalidRunId from exc
        found = self.filter(pk=key).first()
        if found is None:
            raise RunNotFound(run_id)
        return found

    def page(self, *, limit: int = 10, offset: int = 0, status: str | None = None) -> list[Run]:
        """Newest first."""
        found = self.filter(status=status) if status else self
        return list(found.order_by("-created_at", "-id")[offset : offset + limit])

    @transaction.atomic
    def submit(
        self,
        thread: Thread,
        assistant: Assistant,
        *,
        kwargs: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        multitask_strategy: str = "enqueue",
        after_seconds: float = 0,
        idempotency_key: str | None = None,
        user: AbstractBaseUser | AnonymousUser | None = None,
    ) -> Run:
        """Make a run and its job in one transaction; it is executed after the thread's earlier runs.

        With ``after_seconds`` it enters the thread's line only then. Locks the thread's row. Raises
        ThreadBusy when other runs are active and the strategy is not to wait for them, ThreadNotFound when
        the thread has just been deleted, TooManyRuns, IntegrityError when there is a run of that idempotency
        key.
        """
        user = user if user is not None and user.is_authenticated else None
        thread = Thread.objects.without_values().lock(thread.pk)
        self._check_number_of(user)
        self._make_way(thread, multitask_strategy)
        stamp = {"graph_id": assistant.graph_id, "assistant_id": str(assistant.pk)}
        run = self.model(
            id=uuid7(),
            thread=thread,
            assistant=assistant,
            kwargs=kwargs,
            metadata={"created_by": "system", **thread.metadata, **own_metadata(metadata), **stamp},
            multitask_strategy=multitask_strategy,
            idempotency_key=idempotency_key,
            user=user,
        )
        run.job_id = jobs.enqueue(run.pk, thread.pk, after_seconds)
        run.save(force_insert=True)
        thread.occupy(metadata=stamp, config=_thread_config(kwargs.get("config") or {}))
        return run

    def _check_number_of(self, user: AbstractBaseUser | AnonymousUser | None) -> None:
        """Raises TooManyRuns. Until the transaction ends, nobody else makes a run of this user's."""
        most = conf.SKEINO_MAX_RUNS_PER_USER
        if user is None or most is None:
            return
        with connections[self.db].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK_SPACE, str(user.pk)])
        if self.filter(user=user.pk).active()[:most].count() == most:
            raise TooManyRuns(most)

    def _make_way(self, thread: Thread, multitask_strategy: str) -> None:
        """Stop the thread's active runs if the strategy says so, and the settings that it may."""
        if multitask_strategy == self.model.MultitaskStrategy.ENQUEUE:
            return
        active = list(self.filter(thread=thread).active().order_by("-id"))
        refused = multitask_strategy == self.model.MultitaskStrategy.REJECT or conf.SKEINO_BUSY == "conflict"
        if active and refused:
            raise ThreadBusy
        for run in active:
            run.cancel(self.model.CancelAction(multitask_strategy))

    def drain(self) -> bool:
        """Let those that execute finish their current steps, and none that waits begin; see ``Run.cancel``.

        False if there was none that was active.
        """
        stopped = [run.drain() for run in self.active().order_by("-id")]  # the last in line first
        return any(stopped)

    def claim(self, run_id: uuid.UUID, now: datetime | None = None) -> Run | None:
        """Take a pending run for execution: a new attempt. None if it is gone or not pending any more.

        ``seq`` of the run is then the number of the latest event that earlier attempts have logged.
        """
        now = now or timezone.now()
        claimed = self.filter(pk=run_id, status=self.model.Status.PENDING).update(
            status=self.model.Status.RUNNING, attempt=F("attempt") + 1, started_at=now, updated_at=now
        )
        if not claimed:
            return None
        run = self.select_related("assistant", "user").get(pk=run_id)
        run.seq = run.last_seq() if run.attempt > 1 else 0
        return run

    def unclaim(self, run_id: uuid.UUID, now: datetime) -> None:
        """Undo the claim that may have been made, at that time. Another's stands."""
        self.filter(pk=run_id, status=self.model.Status.RUNNING, started_at=now).update(
            status=self.model.Status.PENDING, updated_at=timezone.now()
        )

    @transaction.atomic
    def enqueue(self, run_id: uuid.UUID) -> None:
        """Let a run wait in its thread's line, whose time has come. Does nothing if it was cancelled."""
        run = self.select_for_update().filter(pk=run_id, status=self.model.Status.PENDING).first()
        if run is not None:
            run.job_id = jobs.enqueue(run.pk, run.thread_id)
            run.save(update_fields=["job_id"])

    def recover(self, *, threads: bool = True) -> int:
        """Queue again the active runs that no job will execute, and free ``threads`` that wait for none.

        Returns how many of both. To look for such threads reads them all. Everything that changes runs keeps
        the two together, so this finds something only after damage: a queue that was emptied by hand, a
        backup of half the tables.
        """
        stuck = jobs.without_job(older_than=RECOVERY_AGE)
        return sum(self._recover(run_id) for run_id in stuck) + (Thread.objects.free_idle() if threads else 0)

    @transaction.atomic
    def _recover(self, run_id: uuid.UUID) -> bool:
        run = self.select_for_update().active().filter(pk=run_id).first()
        if run is None or jobs.is_alive(run.job_id):
            return False
        run.lost += run.status == self.model.Status.RUNNING
        run.status, run.updated_at = self.model.Status.PENDING, timezone.now()
        run.job_id = jobs.enqueue(run.pk, run.thread_id)
        run.save(update_fields=["lost", "status", "updated_at", "job_id"])
        return True


class RunEventQuerySet(PruneEvents, models.QuerySet):
    pass


def _thread_config(config: dict[str, Any]) -> dict[str, Any]:
    """What a thread keeps of a run's config (wire contract 3.3)."""
    return {**{key: config[key] for key in ("tags", "recursion_limit") if key in config}, "configurable": {}}
