"""What operators do to threads; the rules are the models'."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assistants.console.verbs import Verb
from threads.admin.forms import ShareForm, TimeToLiveForm
from threads.conf import conf
from threads.models import Thread
from threads.sharing import ThreadShare


def copy(request: HttpRequest, thread: Thread) -> str:
    made = thread.copy(request.user, history=conf.SKEINO_COPY == "history")
    return _("The copy is %(copy)s.") % {"copy": made.pk}


def share(request: HttpRequest, thread: Thread, given: dict[str, Any]) -> str:
    made = ThreadShare.objects.share(thread, given["group"].name, given["access"], user=request.user)
    return _("Shared with %(share)s.") % {"share": made}


def live_for(request: HttpRequest, thread: Thread, given: dict[str, Any]) -> str:
    thread.patch(ttl={"ttl": given["minutes"], "strategy": given["strategy"]})
    if thread.expires_at is None:
        return _("The thread is kept.")
    return _("The thread expires at %(time)s.") % {"time": f"{thread.expires_at:%Y-%m-%d %H:%M} UTC"}


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
        name="share",
        label=gettext_lazy("share"),
        permissions=("threads.share_thread",),
        access="manage",
        form=ShareForm,
        do=share,
    ),
    Verb(
        name="ttl",
        label=gettext_lazy("set the time to live"),
        permissions=("threads.change_thread",),
        access="manage",
        form=lambda request, data: TimeToLiveForm(data),
        do=live_for,
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
