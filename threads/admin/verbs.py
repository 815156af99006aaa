"""What operators do to threads; the rules are the models'."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assistants.console.verbs import Verb
from threads.conf import conf
from threads.models import Thread


def copy(request: HttpRequest, thread: Thread) -> str:
    made = thread.copy(request.user, history=conf.SKEINO_COPY == "history")
    return _("The copy is %(copy)s.") % {"copy": made.pk}


def prune(request: HttpRequest, thread: Thread) -> str:
    thread.prune()
    return _("Only the latest checkpoint is left.")


VERBS: list[Any] = [
    Verb(
        name="copy",
        label=gettext_lazy("copy"),
        permissions=("threads.add_thread", "threads.view_thread_content"),
        access="read",
        do=copy,
    ),
    Verb(
        name="prune",
        label=gettext_lazy("delete old checkpoints"),
        permissions=("threads.delete_thread",),
        access="manage",
        do=prune,
        atomic=False,
        question=gettext_lazy(
            "This deletes all checkpoints but the latest: what led there can no longer be seen, nor gone "
            "back to. Are you sure?"
        ),
    ),
]
