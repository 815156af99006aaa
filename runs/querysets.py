from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson
from django.db import models, transaction
from django.utils import timezone

from assistants.database import as_model, by_id, execute
from assistants.models import Assistant
from runs import jobs, statements
from runs.conf import conf
from runs.exceptions import InvalidRunId, RunNotFound, TooManyRuns
from runs.retention import PruneEvents, PruneRuns
from threads.exceptions import ThreadBusy, ThreadNotFound
from threads.models import Thread
from threads.querysets import own_metadata

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    from runs.models import Run

# The first of the two numbers of advisory locks on users.
LOCK_SPACE = 1_397_444_937
LOCK_USER = "SELECT pg_advisory_xact_lock(%(space)s, hashtext(%(user)s))"
COUNT_ACTIVE = """
SELECT count(*) FROM (
    SELECT FROM runs_run WHERE user_id = %(user)s AND status IN ('pending', 'running') LIMIT %(most)s
) active
"""

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

    def reread(self, run_id: uuid.UUID) -> Run | None:
        """The run as it is now; None if it is gone."""
        return by_id(self.model, run_id)

    def page(self, *, limit: int = 10, offset: int = 0, status: str | None = None) -> list[Run]:
        """Newest first."""
        found = self.filter(status=status) if status else self
        return list(found.order_by("-created_at", "-id")[offset : offset + limit])

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
        is_followed: bool = True,
    ) -> Run:
        """Make a run and its job in one transaction; it is executed after the thread's earlier runs.

        With ``after_seconds`` it enters the thread's line only then. Unless it ``is_followed`` its events may
        be written a little later than they come, and together. Locks the thread's row. Raises
        ThreadBusy when other runs are active and the strategy is not to wait for them, ThreadNotFound when
        the thread has just been deleted, TooManyRuns, IntegrityError when there is a run of that idempotency
        key.

        A thread that was not read must be the user's own, and its assistant for all: else ThreadNotFound.
        """
        run = self.model(
            thread=thread,
            assistant=assistant,
            kwargs=kwargs,
            metadata=own_metadata(metadata),
            multitask_strategy=multitask_strategy,
            idempotency_key=idempotency_key,
            user_id=user.pk if user is not None and user.is_authenticated else None,
        )
        job = jobs.execution(run.pk, thread.pk, is_followed=is_followed)
        if after_seconds:
            job = jobs.start(run.pk, run.created_at + timedelta(seconds=after_seconds))
        new_since = monotonic()
        with self._admitted(run):
            config = _thread_config(kwargs.get("config") or {})
            found = execute(*statements.submit(run, job, config=config, unseen=thread._state.adding))
        if not found:
            raise ThreadNotFound(thread.pk)
        run.job_id, run.metadata = found[0]["job_id"], orjson.loads(found[0]["metadata"])
        run.created_at = run.updated_at = found[0]["created_at"]
        run._state.adding, run.new_since = False, new_since
        return run

    @contextmanager
    def _admitted(self, run: Run) -> Iterator[None]:
        """The transaction in which the run may be made; there is none where nothing has to be looked at."""
        waits = run.multitask_strategy == self.model.MultitaskStrategy.ENQUEUE
        most = conf.SKEINO_MAX_RUNS_PER_USER if run.user_id is not None else None
        with transaction.atomic() if most is not None or not waits else nullcontext():
            if most is not None:
                self._check_number_of(run.user_id, most)
            if not waits:
                self._make_way(run)
            yield

    def _check_number_of(self, user_id: Any, most: int) -> None:
        """Raises TooManyRuns. Until the transaction ends, nobody else makes a run of this user's."""
        execute(LOCK_USER, {"space": LOCK_SPACE, "user": str(user_id)})
        if execute(COUNT_ACTIVE, {"user": user_id, "most": most})[0]["count"] == most:
            raise TooManyRuns(most)

    def _make_way(self, run: Run) -> None:
        """Stop the thread's active runs if the strategy says so, and the settings that it may.

        Locks the thread's row.
        """
        thread = Thread.objects.without_values().lock(run.thread_id)
        active = list(self.filter(thread=thread).active().order_by("-job_id"))
        refused = run.multitask_strategy == run.MultitaskStrategy.REJECT or conf.SKEINO_BUSY == "conflict"
        if active and refused:
            raise ThreadBusy
        for other in active:
            other.cancel(self.model.CancelAction(run.multitask_strategy))

    def drain(self) -> bool:
        """Let those that execute finish their current steps, and none that waits begin; see ``Run.cancel``.

        False if there was none that was active.
        """
        stopped = [run.drain() for run in self.active().order_by("-job_id")]  # the last in line first
        return any(stopped)

    def claimed(self, run_id: uuid.UUID, found: dict[str, Any]) -> Run:
        """The run that a claim has found; it has the columns that its execution takes, and its assistant.

        Its ``seq`` is the number of the latest event that earlier attempts have logged.
        """
        run = as_model(self.model, found | {"id": run_id, "status": self.model.Status.RUNNING})
        told = {name: found[name] for name in ("graph_id", "config", "context")}
        run.assistant = as_model(Assistant, told | {"id": run.assistant_id})
        run.seq, run.has_checkpoints = found["seq"] or 0, found["has_checkpoints"]
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
