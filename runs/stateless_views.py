"""Runs on threads of their own, and what concerns runs of several threads."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ValidationError

from runs.exceptions import NothingToCancel
from runs.models import Run
from runs.permissions import ADD, CANCEL, VIEW
from runs.query_serializers import (
    CancelQuerySerializer,
    CancelRunsSerializer,
    JoinQuerySerializer,
    JoinStreamQuerySerializer,
)
from runs.querysets import RunQuerySet
from runs.serializers import RunSerializer, StatelessRunSerializer
from runs.streaming import AnswerWhenEnded, ResultResponse, check_capacity, event_stream, path_of
from runs.submission import Preference, submit_stateless
from runs.views import EVENT_STREAM, IDEMPOTENCY_KEY, LAST_EVENT_ID, PREFER, RESULT, RunViews
from threads.exceptions import ThreadNotFound
from threads.models import Thread
from threads.policy import Access

MAX_BATCH = 1000


class AllRunsViews(RunViews):
    def runs(self, access: Access = Access.READ) -> RunQuerySet:
        """All on threads to which the user has that access."""
        return Run.objects.filter(thread__in=Thread.objects.allowed_to(self.request.user, access))


@extend_schema(tags=["Stateless Runs"])
class StatelessRunViewSet(AllRunsViews):
    permissions = {
        **dict.fromkeys(["create", "stream", "wait"], ADD),
        **dict.fromkeys(["retrieve", "join", "join_stream"], VIEW),
    }

    @extend_schema(
        operation_id="run_stateless_runs_post",
        request=StatelessRunSerializer,
        responses={200: RunSerializer},
        parameters=[IDEMPOTENCY_KEY, PREFER],
    )
    def create(self, request: Request) -> HttpResponseBase:
        """Execute a run on a thread of its own, which is deleted afterwards unless `on_completion` keeps it.

        Answers at once, or with `Prefer: wait=10` after ten seconds.
        """
        preference = Preference.of(request)
        if preference.wait is not None:
            check_capacity()
        run = self.submitted(request)
        preferred = {"Preference-Applied": preference.applied} if preference.applied else {}
        headers = {"Content-Location": path_of(run, stateless=True), **preferred}
        if preference.wait is not None:
            return AnswerWhenEnded(
                run, lambda run: (RunSerializer(run).data, headers), seconds=preference.wait
            )
        return Response(RunSerializer(run).data, headers=headers)

    @extend_schema(
        operation_id="stream_run_stateless_runs_stream_post",
        request=StatelessRunSerializer,
        responses=EVENT_STREAM,
        parameters=[IDEMPOTENCY_KEY],
    )
    def stream(self, request: Request) -> HttpResponseBase:
        """Execute a run on a thread of its own and stream its events."""
        check_capacity()
        return event_stream(self.submitted(request), stateless=True)

    @extend_schema(
        operation_id="wait_run_stateless_runs_wait_post",
        request=StatelessRunSerializer,
        responses=RESULT,
        parameters=[IDEMPOTENCY_KEY],
    )
    def wait(self, request: Request) -> HttpResponseBase:
        """Execute a run on a thread of its own and answer with the state it ends with."""
        check_capacity()
        return ResultResponse(self.submitted(request, is_followed=False))

    @extend_schema(operation_id="get_run_stateless_runs__run_id__get", responses=RunSerializer)
    def retrieve(self, request: Request, run_id: str) -> Response:
        """One run, whatever its thread."""
        return Response(RunSerializer(self.runs().find(run_id)).data)

    @extend_schema(
        operation_id="join_run_stateless_runs__run_id__join_get",
        responses=RESULT,
        parameters=[JoinQuerySerializer],
    )
    def join(self, request: Request, run_id: str) -> HttpResponseBase:
        """Wait for a run that exists, and answer as its `wait` would."""
        return self.result(self.runs(self.joining()).find(run_id))

    @extend_schema(
        operation_id="join_run_stream_stateless_runs__run_id__stream_get",
        responses=EVENT_STREAM,
        parameters=[JoinStreamQuerySerializer, LAST_EVENT_ID],
    )
    def join_stream(self, request: Request, run_id: str) -> HttpResponseBase:
        """The stream of a run that exists: from an event on, else from now on; whole if it has ended."""
        return self.joined(self.runs(self.joining()).find(run_id), stateless=True)

    def submitted(self, request: Request, *, is_followed: bool = True) -> Run:
        body = self.checked(StatelessRunSerializer, request.data)
        return submit_stateless(request, body, is_followed=is_followed)


@extend_schema(tags=["Stateless Runs"])
class RunBatchViewSet(RunViews):
    permissions = {"create": ADD}
    body_type = list

    @extend_schema(
        operation_id="run_batch_stateless_runs_post",
        request=StatelessRunSerializer(many=True),
        responses={200: RunSerializer(many=True)},
        parameters=[IDEMPOTENCY_KEY],
    )
    @transaction.atomic
    def create(self, request: Request) -> Response:
        """Execute several runs, each on a thread of its own: all of them or, at any mistake, none."""
        items: Any = request.data
        if not 1 <= len(items) <= MAX_BATCH:
            raise ValidationError(f"A batch has 1 to {MAX_BATCH} runs.")
        bodies = [self._checked(number, item) for number, item in enumerate(items)]
        runs = [submit_stateless(request, body, number) for number, body in enumerate(bodies)]
        return Response(RunSerializer(runs, many=True).data)

    def _checked(self, number: int, item: Any) -> StatelessRunSerializer:
        try:
            return self.checked(StatelessRunSerializer, item)
        except ValidationError as exc:
            raise ValidationError({str(number): exc.detail}) from exc


@extend_schema(tags=["Thread Runs"])
class RunCancelViewSet(AllRunsViews):
    permissions = {"create": CANCEL}

    @extend_schema(
        operation_id="cancel_runs_post",
        request=CancelRunsSerializer,
        responses={204: None},
        parameters=[CancelQuerySerializer],
    )
    def create(self, request: Request) -> Response:
        """Stop several runs: some of a thread, or all that wait or execute."""
        action = Run.CancelAction(self.valid(CancelQuerySerializer, request.query_params)["action"])
        body = self.valid(CancelRunsSerializer, request.data)
        runs = self.runs(Access.RUN).active()
        if body.get("status") in ("pending", "running"):
            runs = runs.filter(status=body["status"])
        elif not body.get("status"):
            runs = runs.filter(thread=body["thread_id"], pk__in=body["run_ids"])
        # The latest first, so that none begins because an earlier one was stopped.
        cancelled = [_cancel(run, action) for run in runs.order_by("-job_id")]
        if not any(cancelled):
            raise NothingToCancel
        return Response(status=204)


def _cancel(run: Run, action: Run.CancelAction) -> bool:
    try:
        return run.cancel(action)
    except ThreadNotFound:  # deleted meanwhile, and its runs with it
        return False
