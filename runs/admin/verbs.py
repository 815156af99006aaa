"""What operators do to runs; the rules are the model's."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assistants.console.verbs import Verb
from runs import permissions
from runs.exceptions import NothingToCancel, RunNotRetryable
from runs.models import Run
from threads.models import Thread


def cancel(request: HttpRequest, run: Run) -> str:
    if not run.cancel():
        raise NothingToCancel
    return _("The run is being cancelled.")


def roll_back(request: HttpRequest, run: Run) -> str:
    if not run.cancel(Run.CancelAction.ROLLBACK):
        raise NothingToCancel
    return _("The run was deleted, and its thread is where it was before.")


def retry(request: HttpRequest, run: Run) -> str:
    run.retry()
    return _("The run waits to go on from its last checkpoint.")


def redeliver(request: HttpRequest, run: Run) -> str:
    run.redeliver()
    return _("The webhook is being told again.")


def cancel_all(request: HttpRequest, thread: Thread, action: Any = Run.CancelAction.INTERRUPT) -> str:
    """The last in line first, so that none begins meanwhile."""
    runs = Run.objects.filter(thread=thread).active().order_by("-job_id")
    cancelled = [run.cancel(action) for run in runs]
    if not any(cancelled):
        raise NothingToCancel
    return _("The thread's active runs are being cancelled.")


def roll_back_all(request: HttpRequest, thread: Thread) -> str:
    cancel_all(request, thread, Run.CancelAction.ROLLBACK)
    return _("The active runs were deleted, and the thread is where it was before.")


def retry_last(request: HttpRequest, thread: Thread) -> str:
    last = Run.objects.filter(thread=thread).order_by("-job_id").first()
    if last is None:
        raise RunNotRetryable("The thread has no run.")
    return retry(request, last)


def is_busy(thread: Thread) -> bool:
    return thread.status == Thread.Status.BUSY


def has_failed(thread: Thread) -> bool:
    return thread.status in (Thread.Status.ERROR, Thread.Status.INTERRUPTED)


def is_active(run: Run) -> bool:
    return not run.is_finished


def is_retryable(run: Run) -> bool:
    return run.status in Run.RETRYABLE


def is_deliverable(run: Run) -> bool:
    return run.is_finished and bool(run.kwargs.get("webhook"))


VERBS: list[Any] = [
    Verb(
        name="cancel",
        label=gettext_lazy("cancel"),
        permissions=permissions.CANCEL,
        do=cancel,
        applies=is_active,
    ),
    Verb(
        name="rollback",
        label=gettext_lazy("cancel and roll back"),
        permissions=permissions.CANCEL,
        do=roll_back,
        question=gettext_lazy("This deletes the run and all that it has written. Are you sure?"),
        deletes=True,
        applies=is_active,
    ),
    Verb(
        name="retry",
        label=gettext_lazy("retry"),
        permissions=permissions.ADD,
        do=retry,
        applies=is_retryable,
    ),
    Verb(
        name="redeliver",
        label=gettext_lazy("redeliver the webhook"),
        permissions=permissions.REDELIVER,
        do=redeliver,
        applies=is_deliverable,
    ),
]

OF_THREADS: list[Any] = [
    Verb(
        name="cancel",
        label=gettext_lazy("cancel active runs"),
        permissions=permissions.CANCEL,
        do=cancel_all,
        applies=is_busy,
    ),
    Verb(
        name="rollback",
        label=gettext_lazy("roll active runs back"),
        permissions=permissions.CANCEL,
        do=roll_back_all,
        question=gettext_lazy("This deletes the active runs and all that they have written. Are you sure?"),
        applies=is_busy,
    ),
    Verb(
        name="retry",
        label=gettext_lazy("retry the last run"),
        permissions=permissions.ADD,
        do=retry_last,
        applies=has_failed,
    ),
]
