from __future__ import annotations

from dataclasses import replace
from functools import partial

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from uuid_utils.compat import uuid7

from assistants.database import execute
from assistants.models import Assistant
from runs import jobs, metrics, statements
from runs.deliveries import WebhookDelivery
from runs.events import END, VOID
from runs.events.follower import NEVER
from runs.events.notifications import notify_end
from runs.exceptions import NoWebhook, RunLost, RunNotRetryable
from runs.log import RunEvent
from runs.querysets import RunQuerySet
from runs.statements import Ending
from runs.undo import WriteBefore, undo
from threads import state
from threads.encoding import encode_for_jsonb
from threads.fields import JSONField
from threads.models import Thread
from threads.state import Outcome

__all__ = ["Run", "RunEvent", "WebhookDelivery", "WriteBefore"]  # Django looks for models here

CANCELLED = {"error": "UserInterrupt", "message": "User interrupted the run"}
ROLLED_BACK = {"error": "UserRollback", "message": "User rolled the run back"}


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

    class CancelAction(models.TextChoices):
        DRAIN = "drain"
        INTERRUPT = "interrupt"
        ROLLBACK = "rollback"

    class MultitaskStrategy(models.TextChoices):
        ENQUEUE = "enqueue"
        REJECT = "reject"
        INTERRUPT = "interrupt"
        ROLLBACK = "rollback"

    # No columns.
    seq, has_checkpoints = 0, True  # what a claim found
    new_since = NEVER  # if this process has submitted it: before that, by its monotonic clock

    ACTIVE = (Status.PENDING, Status.RUNNING)
    RETRYABLE = (Status.ERROR, Status.TIMEOUT, Status.INTERRUPTED)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The constraint is made by a migration of its own, with ON DELETE CASCADE: a run that is submitted, or an
    # event that is written, while its thread is being deleted goes too.
    thread = models.ForeignKey(
        Thread, on_delete=models.CASCADE, related_name="runs", db_index=False, db_constraint=False
    )
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="runs")
    # Who asked for it, which need not be the thread's owner.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    job_id = models.BigIntegerField(editable=False)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    kwargs = JSONField(default=dict)
    metadata = JSONField(default=dict)
    multitask_strategy = models.CharField(
        max_length=16, choices=MultitaskStrategy.choices, default=MultitaskStrategy.ENQUEUE
    )
    attempt = models.PositiveIntegerField(default=0)
    # How many attempts ended with the loss of their worker.
    lost = models.PositiveSmallIntegerField(default=0)
    # What its worker is to do with it, if anything but to execute it.
    cancel_action = models.CharField(max_length=16, choices=CancelAction.choices, blank=True, default="")
    # The client's name for its request, with the user before it.
    idempotency_key = models.CharField(max_length=255, null=True, editable=False)  # noqa: DJ001
    error = JSONField(null=True)
    # Of an error, for operators: no client sees it.
    traceback = models.TextField(blank=True, default="", db_default="", editable=False)
    usage = JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)  # of one that is tried again, its latest end

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        permissions = [
            ("cancel_run", "Can cancel runs"),
            ("redeliver_webhook", "Can tell webhooks of runs again"),
        ]
        indexes = [
            models.Index(
                fields=["thread", "-created_at", "-id"], name="run_thread_created"
            ),  # a thread's runs
            models.Index(
                fields=["thread"], name="run_active", condition=Q(status__in=("pending", "running"))
            ),
            models.Index(
                fields=["user"], name="run_active_of_user", condition=Q(status__in=("pending", "running"))
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["thread"], name="one_running_run_per_thread", condition=Q(status="running")
            ),
            models.UniqueConstraint(
                fields=["idempotency_key"],
                name="one_run_per_idempotency_key",
                condition=Q(idempotency_key__isnull=False),
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

    @property
    def stamp(self) -> dict[str, str]:
        """What a run puts on its thread's metadata, and on its own."""
        return {"graph_id": self.assistant.graph_id, "assistant_id": str(self.assistant_id)}

    def end(self, ending: Ending) -> None:
        """End this attempt: status, thread and the log's last events appear together.

        Locks the thread's row, then the run's, as ``submit`` does. Raises RunLost if the run is not what the
        ending expects in this attempt any more; then nothing is changed. A worker ends what it has executed
        by the same statements.
        """
        with transaction.atomic():
            *_, found = [execute(*statement) for statement in statements.finish(self, ending, timezone.now())]
            if not found:
                raise RunLost(self.pk)
            left = found[0]["status"]
            transaction.on_commit(partial(metrics.count_end, ending.status, left, ending.events()))

    @transaction.atomic
    def cancel(self, action: CancelAction = CancelAction.INTERRUPT) -> bool:
        """Stop the run: one that waits at once, one that executes as soon as its worker hears of it.

        ``rollback`` deletes it, whoever has it, and its checkpoints. A run that was interrupted or drained
        ends ``interrupted``; drained, it finishes its current step first. False if it had ended. Locks the
        thread's row.
        """
        thread = Thread.objects.defer("values").lock(self.thread_id)
        run = self._stop()
        if run is None:
            return False
        if action == self.CancelAction.ROLLBACK:
            run.delete()
        elif run.status == self.Status.PENDING:
            run._end_unexecuted(thread)
        elif run.cancel_action in ("", self.CancelAction.DRAIN):
            # What was asked for first stands, unless this is more: it cannot wait for the step's end.
            Run.objects.filter(pk=self.pk).update(cancel_action=action)
        return True

    def drain(self) -> bool:
        """Let the current step's nodes finish and start no more. As ``cancel``."""
        return self.cancel(self.CancelAction.DRAIN)

    def _stop(self) -> Run | None:
        """The run as it is now, with its row locked; None if it has ended. Call with its thread's row locked.

        Its job is taken out of the queue, or its worker told to look at the run. The job comes first, as for
        those who take back jobs of lost workers, or the two would wait for each other.
        """
        found = Run.objects.active().filter(pk=self.pk).values_list("job_id", flat=True).first()
        if found is not None:
            jobs.stop(found)
        run = Run.objects.active().select_for_update().filter(pk=self.pk).first()
        if run is not None and run.job_id != found:  # its time has come just now
            jobs.stop(run.job_id)
        return run

    def _end_unexecuted(self, thread: Thread) -> None:
        """As a run that waits. What an earlier attempt has left stays."""
        left = None
        if self.attempt:
            status, error = Thread.Status.INTERRUPTED, encode_for_jsonb(CANCELLED)
            left = replace(state.outcome(thread), thread_status=status, error=error)
        else:
            self._unstamp(thread)
        self.end(Ending(self.Status.INTERRUPTED, self.last_seq() + 1, left, expected=self.Status.PENDING))

    def _unstamp(self, thread: Thread) -> None:
        """The run has left nothing: let the thread be read by the graph of the run before it again."""
        others = Run.objects.filter(thread=thread).exclude(pk=self.pk).select_related("assistant")
        if (before := others.order_by("-job_id").first()) is not None:
            thread.metadata |= before.stamp
            thread.save(update_fields=["metadata"])

    def abandon(self, *, thread_stays: bool) -> None:
        """Before an active run is deleted, in that transaction: stop it, and undo it if its thread stays.

        The thread then stands where it stood before the run. Its worker's writes find no run and fail. Locks
        the thread's row.
        """
        thread = Thread.objects.defer("values").select_for_update().filter(pk=self.thread_id).first()
        run = self._stop() if thread is not None else None
        if thread is None or run is None:
            return
        notify_end(self.pk)
        if thread_stays:
            undo(run)
            run._unstamp(thread)
            # Only a run that has ended before has left something on its thread.
            before = state.outcome(thread) if run.finished_at else Outcome.unchanged(thread)
            others = Run.objects.filter(thread=thread).active().exclude(pk=self.pk).exists()
            outcome = replace(before, error=encode_for_jsonb(ROLLED_BACK))
            thread.settle(outcome, busy=others, now=timezone.now())

    @transaction.atomic
    def retry(self) -> None:
        """Queue the run again, to go on from its last checkpoint in a new attempt.

        Locks the thread's row. Raises RunNotRetryable if it is active, went well, or others came after it.
        """
        thread = Thread.objects.without_values().lock(self.thread_id)
        own = Run.objects.filter(pk=self.pk)
        if Run.objects.filter(thread=thread, job_id__gt=own.values("job_id")).exists():
            raise RunNotRetryable("Its thread has gone on with other runs.")
        updated = own.filter(status__in=self.RETRYABLE).update(
            status=self.Status.PENDING,
            error=None,
            traceback="",
            cancel_action="",
            lost=0,
            updated_at=timezone.now(),
        )
        if not updated:
            raise RunNotRetryable("It is active, or has succeeded.")
        last = RunEvent.objects.filter(run=self, event__in=("error", END))
        last.filter(run__attempt=0).delete()  # nobody has followed it, and its first attempt counts from 1
        last.update(event=VOID, data="null")
        Run.objects.enqueue(self.pk)
        thread.occupy(metadata={}, config=thread.config)

    def redeliver(self) -> None:
        """Tell the webhook once more that the run has ended. Raises NoWebhook."""
        if not self.kwargs.get("webhook") or not self.is_finished:
            raise NoWebhook
        jobs.deliver_webhook(self.pk)

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
