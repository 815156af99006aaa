"""From a request to a run: whose thread, which assistant, and what clients say beside the body."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

from django.db import IntegrityError, transaction
from rest_framework.request import Request
from rest_framework.serializers import ValidationError

from assistants.graphs import registry
from assistants.models import Assistant, system_assistant
from runs.conf import conf
from runs.exceptions import IdempotencyKeyReused, TooManyRuns
from runs.models import Run
from runs.serializers import RunCreateSerializer, StatelessRunSerializer
from threads.exceptions import ThreadBusy, ThreadNotFound
from threads.models import Thread
from threads.policy import Access, ThreadPolicy, thread_policy
from threads.querysets import as_uuid

MAX_KEY_LENGTH = 150
LONGEST_WAIT = 10.0 * 366 * 86400  # seconds


@dataclass(frozen=True)
class Preference:
    """The ``Prefer`` header (RFC 7240), as far as runs go: answer at once, or after so many seconds."""

    respond_async: bool = False
    wait: float | None = None

    @classmethod
    def of(cls, request: Request) -> Preference:
        """What cannot be understood is ignored, as the RFC demands."""
        found: dict[str, str] = {}
        for preference in request.headers.get("Prefer", "").split(","):
            name, _, value = preference.partition(";")[0].partition("=")
            found.setdefault(name.strip().lower(), value.strip(' "'))
        seconds = found.get("wait", "")
        wait = min(float(seconds), LONGEST_WAIT) if seconds.isdecimal() else None
        return cls("respond-async" in found, wait)

    @property
    def applied(self) -> str:
        """For ``Preference-Applied``."""
        if self.wait is not None:
            return f"wait={self.wait:.0f}"
        return "respond-async" if self.respond_async else ""


def submit(request: Request, body: RunCreateSerializer, thread_id: str, *, is_followed: bool = True) -> Run:
    """A new run on the thread, or on a new one if the body says so; see ``Run.objects.submit``.

    ``body`` has been found valid.
    """
    data = body.validated_data
    strategy = data.get("multitask_strategy") or Run.MultitaskStrategy.ENQUEUE
    place = Place(request.user, thread_id, data["assistant_id"])

    def create(key: str | None) -> Run:
        submit = partial(
            Run.objects.submit,
            kwargs=body.run_kwargs,
            metadata=data.get("metadata"),
            multitask_strategy=strategy,
            after_seconds=body.delay,
            idempotency_key=key,
            user=request.user,
            is_followed=is_followed,
        )
        if strategy == Run.MultitaskStrategy.ENQUEUE and (unseen := place.unseen()) is not None:
            with suppress(ThreadNotFound):
                return submit(*unseen)
        return submit(*place.seen(opens=data.get("if_not_exists") == "create"))

    def is_same(run: Run) -> bool:
        thread, assistant = place.seen()
        return thread.pk == run.thread_id and _asks_for_the_same(run, assistant, body)

    return once(idempotency_key(request), create, is_same)


class Place(NamedTuple):
    """The thread and the assistant of a run, as a request names them."""

    user: Any
    thread_id: str
    assistant_id: str

    def seen(self, *, opens: bool = False) -> tuple[Thread, Assistant]:
        """Both, read. Raises what ``find_for`` of either raises."""
        assistant = Assistant.objects.find_for(self.user, self.assistant_id)
        find = Thread.objects.find_or_open if opens else Thread.objects.find_for
        return find(self.user, self.thread_id, Access.RUN, values=False), assistant

    def unseen(self) -> tuple[Thread, Assistant] | None:
        """Both, unread: what most runs are for, a thread of the user's own and a graph's own assistant.

        None where that cannot be, or where a rule of the project's wants to be asked.
        """
        thread_id, policy = as_uuid(self.thread_id), thread_policy()
        knows_own = isinstance(policy, ThreadPolicy) and policy.allows_all_of_own(self.user)
        if thread_id is None or not knows_own or self.assistant_id not in registry.ids():
            return None
        return Thread(id=thread_id), system_assistant(self.assistant_id)


def submit_stateless(
    request: Request, body: StatelessRunSerializer, number: int | None = None, *, is_followed: bool = True
) -> Run:
    """A new run on a thread of its own. ``body`` has been found valid; ``number`` is its place in a batch."""
    data = body.validated_data
    assistant = Assistant.objects.find_for(request.user, data["assistant_id"])

    def create(key: str | None) -> Run:
        keep = data.get("on_completion") == "keep"
        thread = Thread.objects.open(
            user=request.user,
            temporary=not keep,
            ttl=None if keep else {"ttl": conf.SKEINO_STATELESS_MINUTES},
        )
        return Run.objects.submit(
            thread,
            assistant,
            kwargs=body.run_kwargs,
            metadata=data.get("metadata"),
            after_seconds=body.delay,
            idempotency_key=key,
            user=request.user,
            is_followed=is_followed,
        )

    key = idempotency_key(request)
    # A line break is in no key of a client's.
    key = key if key is None or number is None else f"{key}\n{number}"
    return once(key, create, lambda run: _asks_for_the_same(run, assistant, body))


def once(key: str | None, create: Callable[[str | None], Run], is_same: Callable[[Run], bool]) -> Run:
    """The run that an earlier request of that key has made, else a new one. Raises IdempotencyKeyReused.

    Of two requests at once the database takes one; the other finds its run, or first finds that it
    stands in the way.
    """
    if key is None:
        return create(None)
    found = Run.objects.filter(idempotency_key=key).first()
    if found is None:
        try:
            with transaction.atomic():
                return create(key)
        except (IntegrityError, ThreadBusy, TooManyRuns):
            found = Run.objects.filter(idempotency_key=key).first()
            if found is None:
                raise
    if not is_same(found):
        raise IdempotencyKeyReused
    return found


def idempotency_key(request: Request) -> str | None:
    """The request's ``Idempotency-Key``, its user before it. Raises ValidationError."""
    key = request.headers.get("Idempotency-Key", "").strip()
    if not key:
        return None
    if len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise ValidationError(
            {"Idempotency-Key": [f"Must be at most {MAX_KEY_LENGTH} printable characters."]}
        )
    return f"{quote(str(request.user.pk or ''), safe='')}:{key}"  # a key of one user's is none of another's


def _asks_for_the_same(run: Run, assistant: Assistant, body: RunCreateSerializer) -> bool:
    return run.assistant_id == assistant.pk and run.kwargs == body.run_kwargs
