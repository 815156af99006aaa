"""What operators do to runs; the rules are the model's."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assistants.console.verbs import Verb
from runs.exceptions import NothingToCancel
from runs.models import Run


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


def is_active(run: Run) -> bool:
    return not run.is_finished


def is_retryable(run: Run) -> bool:
    return run.status in Run.RETRYABLE


CANCEL = "runs.cancel_run"
VERBS: list[Any] = [
    Verb(
        name="cancel",
        label=gettext_lazy("cancel"),
        permission=CANCEL,
        do=cancel,
        applies=is_active,
    ),
    Verb(
        name="rollback",
        label=gettext_lazy("cancel and roll back"),
        permission=CANCEL,
        do=roll_back,
        question=gettext_lazy("This deletes the run and all that it has written. Are you sure?"),
        deletes=True,
        applies=is_active,
    ),
    Verb(
        name="retry",
        label=gettext_lazy("retry"),
        permission="runs.add_run",
        do=retry,
        applies=is_retryable,
    ),
]
