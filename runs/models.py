from __future__ import annotations

import uuid
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from assistants.models import Assistant
from runs import jobs
from runs.events import END, notify
from runs.exceptions import InvalidRunId, RunLost, RunNotFound
from threads import checkpointer
from threads.encoding import encode
from threads.exceptions import ThreadBusy
from threads.fields import JSONField
from threads.models import Thread, own_metadata
from threads.state import Outcome


class RunQuerySet(models.QuerySet["Run"]):
    def active(self) -> RunQuerySet:
        """Those that wait or execute."""
        return self.filter(status__in=Run.ACTIVE)

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
    ) -> Run:
        """Make a run and its job in one transaction; it is executed after the thread's earlier runs.

        With ``after_seconds`` it enters the thread's line only then. Locks the thread's row. Raises
        ThreadBusy when other runs are active and the strategy is not to wait for them, ThreadNotFound when
        the thread has just been deleted.
        """
        thread = Thread.objects.without_values().lock(thread.pk)
        if (
            multitask_strategy != Run.MultitaskStrategy.ENQUEUE
            and self.filter(thread=thread).active().exists()
        ):
            raise ThreadBusy
        stamp = {"graph_id": assistant.graph_id, "assistant_id": str(assistant.pk)}
        run = Run(
            id=uuid7(),
            thread=thread,
            assistant=assistant,
            kwargs=kwargs,
            metadata={"created_by": "system", **thread.metadata, **own_metadata(metadata), **stamp},
            multitask_strategy=multitask_strategy,
        )
        run.job_id = jobs.enqueue(run.pk, thread.pk, after_seconds)
        run.save(force_insert=True)
        thread.occupy(metadata=stamp, config=_thread_config(kwargs.get("config") or {}))
        return run

    def claim(self, run_id: uuid.UUID) -> Run | None:
        """Take a pending run for execution: a new attempt. None if it is gone or not pending any more.

        ``seq`` of the run is then the number of the latest event that earlier attempts have logged.
        """
        now = timezone.now()
        claimed = self.filter(pk=run_id, status=Run.Status.PENDING).update(
            status=Run.Status.RUNNING, attempt=F("attempt") + 1, started_at=now, updated_at=now
        )
        if not claimed:
            return None
        run = self.select_related("assistant").get(pk=run_id)
        run.seq = run.last_seq() if run.attempt > 1 else 0
        return run

    def unclaim(self, run_id: uuid.UUID) -> None:
        """Undo a claim that may have been made. For those who hold the run's job: no one else has it then."""
        self.filter(pk=run_id, status=Run.Status.RUNNING).update(
            status=Run.Status.PENDING, updated_at=timezone.now()
        )

    @transaction.atomic
    def enqueue(self, run_id: uuid.UUID) -> None:
        """Let a run wait in its thread's line, whose time has come. Does nothing if it was cancelled."""
        run = self.select_for_update().filter(pk=run_id, status=Run.Status.PENDING).first()
        if run is not None:
            run.job_id = jobs.enqueue(run.pk, run.thread_id)
            run.save(update_fields=["job_id"])


class Run(models.Model):
    """One execution of an assistant on a thread. The row is the truth about it.

    Its status changes only through the verbs here and on the queryset; each expects the status, and where
    it matters the attempt, that it found. ``kwargs`` is what the client asked for (wire contract 3.4).
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        SUCCESS = "success"
        ERROR = "error"
        TIMEOUT = "timeout"
        INTERRUPTED = "interrupted"

    class MultitaskStrategy(models.TextChoices):
        ENQUEUE = "enqueue"
        REJECT = "reject"
        INTERRUPT = "interrupt"
        ROLLBACK = "rollback"

    seq = 0  # no column: what ``claim`` found

    ACTIVE = (Status.PENDING, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The constraint is made by a migration of its own, with ON DELETE CASCADE: a run that is submitted, or an
    # event that is written, while its thread is being deleted goes too.
    thread = models.ForeignKey(
        Thread, on_delete=models.CASCADE, related_name="runs", db_index=False, db_constraint=False
    )
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="runs")
    job_id = models.BigIntegerField(editable=False)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    kwargs = JSONField(default=dict)
    metadata = JSONField(default=dict)
    multitask_strategy = models.CharField(
        max_length=16, choices=MultitaskStrategy.choices, default=MultitaskStrategy.ENQUEUE
    )
    attempt = models.PositiveIntegerField(default=0)
    error = JSONField(null=True)
    usage = JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["thread", "-created_at", "-id"], name="run_thread_created"
            ),  # a thread's runs
            models.Index(
                fields=["thread"], name="run_active", condition=Q(status__in=("pending", "running"))
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["thread"], name="one_running_run_per_thread", condition=Q(status="running")
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def total_tokens(self) -> int:
        return (self.usage or {}).get("total_tokens", 0)

    @property
    def is_finished(self) -> bool:
        return self.status not in self.ACTIVE

    def finish(
        self, status: Status, outcome: Outcome, *, seq: int, usage: dict[str, int] | None = None
    ) -> None:
        """End this attempt: status, thread and the log's last events, from number ``seq``, appear together.

        The events before them must have been written. Locks the thread's row, then the run's, as ``submit``
        does. Raises RunLost if the run is not running in this attempt any more; then nothing is changed.
        """
        now = timezone.now()
        with transaction.atomic():
            thread = Thread.objects.only("ttl_minutes").select_for_update().filter(pk=self.thread_id).first()
            updated = Run.objects.filter(pk=self.pk, status=Run.Status.RUNNING, attempt=self.attempt).update(
                status=status,
                error=outcome.error,
                usage=usage,
                finished_at=now,
                updated_at=now,
            )
            if thread is None or not updated:
                raise RunLost(self.pk)
            others = Run.objects.filter(thread=thread).active().exists()
            thread.settle(outcome, busy=others, now=now)
            self._announce_end(status, seq, error=outcome.error if status == Run.Status.ERROR else None)

    def cancel(self) -> None:
        """Stop the run: one that waits at once, one that executes as soon as its worker hears of it.

        Does nothing if it has ended. Locks the thread's row. A run that is cancelled ends ``interrupted``.
        """
        with transaction.atomic():
            thread = Thread.objects.only("ttl_minutes").lock(self.thread_id)
            now = timezone.now()
            was_waiting = Run.objects.filter(pk=self.pk, status=Run.Status.PENDING).update(
                status=Run.Status.INTERRUPTED, finished_at=now, updated_at=now
            )
            self.stop_job()
            if was_waiting:
                others = Run.objects.filter(thread=thread).active().exists()
                thread.settle(Outcome(thread_status=Thread.Status.IDLE), busy=others, now=now)
                self._announce_end(Run.Status.INTERRUPTED, self.last_seq() + 1)

    def stop_job(self) -> None:
        """Take the run's job out of the queue, or have its worker stop it. The run itself stays as it is."""
        jobs.stop(self.job_id)

    def abandon(self) -> None:
        """Before the run is deleted: stop it, and free its thread if it was the last. Locks the thread."""
        busy = Thread.objects.select_for_update().filter(pk=self.thread_id, status=Thread.Status.BUSY)
        if busy.exists() and Run.objects.filter(pk=self.pk).active().exists():
            self.stop_job()
            if not Run.objects.filter(thread=self.thread_id).active().exclude(pk=self.pk).exists():
                busy.update(status=Thread.Status.IDLE)

    def clean_up_after_thread(self) -> None:
        """Delete the checkpoints that this run still wrote while its thread was being deleted."""
        if not Thread.objects.filter(pk=self.thread_id).exists():
            checkpointer.delete([str(self.thread_id)])

    def release(self) -> None:
        """Give the run back to the queue, to go on from its last checkpoint. Raises RunLost."""
        updated = Run.objects.filter(pk=self.pk, status=Run.Status.RUNNING, attempt=self.attempt).update(
            status=Run.Status.PENDING, updated_at=timezone.now()
        )
        if not updated:
            raise RunLost(self.pk)

    def last_seq(self) -> int:
        """The number of the latest event in the log, 0 without one."""
        return RunEvent.objects.filter(run=self).aggregate(models.Max("seq"))["seq__max"] or 0

    def _announce_end(self, status: Status, seq: int, *, error: str | None = None) -> None:
        """To followers, when the open transaction commits, and then to the webhook.

        Clients stop reading at an ``error`` and look at the run: it must not appear before its status.
        """
        last = [] if error is None else [("error", error)]
        last.append((END, encode({"status": status.value})))
        RunEvent.objects.bulk_create(
            RunEvent(run=self, seq=seq + place, event=event, data=data)
            for place, (event, data) in enumerate(last)
        )
        notify([self.pk])
        if self.kwargs.get("webhook"):
            jobs.deliver_webhook(self.pk)


def _thread_config(config: dict[str, Any]) -> dict[str, Any]:
    """What a thread keeps of a run's config (wire contract 3.3)."""
    return {**{key: config[key] for key in ("tags", "recursion_limit") if key in config}, "configurable": {}}


class RunEvent(models.Model):
    """One event of a run's stream: its log, written once by the worker, read by every follower.

    ``data`` is the event's JSON text as clients receive it. ``seq`` counts from 1 without gaps. The last
    event of a finished run is ``end``, which no client sees.
    """

    pk = models.CompositePrimaryKey("run_id", "seq")
    run = models.ForeignKey(
        Run, on_delete=models.DO_NOTHING, related_name="events", db_index=False, db_constraint=False
    )
    seq = models.PositiveIntegerField()
    event = models.TextField()
    data = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["run_id", "seq"]

    def __str__(self) -> str:
        return f"{self.run_id} {self.seq} {self.event}"
