from __future__ import annotations

from typing import Any, TypeVar

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from runs.conf import conf
from runs.exceptions import InvalidEventId, NothingToCancel
from runs.models import Run
from runs.permissions import ADD, CANCEL, DELETE, VIEW
from runs.query_serializers import (
    CancelRunQuerySerializer,
    JoinQuerySerializer,
    JoinStreamQuerySerializer,
    RunListSerializer,
)
from runs.serializers import RunCreateSerializer, RunSerializer
from runs.streaming import (
    AnswerWhenEnded,
    ResultResponse,
    RunResponse,
    WaitingViewSet,
    check_capacity,
    event_stream,
    path_of,
)
from runs.submission import Preference, submit
from runs.thread_stream import BEGINNING
from threads.models import Thread
from threads.permissions import may
from threads.policy import Access

EVENT_STREAM = {(200, "text/event-stream"): OpenApiTypes.STR}
RESULT = {200: OpenApiTypes.ANY}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, "header", description="A request that is repeated with it makes no second run."
)
LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID", str, "header", description="Begin after this event; `-1` is the beginning."
)
RUN_HEADERS = [
    OpenApiParameter("Location", str, "header", response=True, description="The run's path."),
    OpenApiParameter("X-Tokens-Used", int, "header", response=True, description="Tokens of the run."),
]
PREFER = OpenApiParameter(
    "Prefer", str, "header", description="`respond-async` answers at once, `wait=10` after ten seconds."
)


S = TypeVar("S", bound=Serializer[Any])


class RunViews(WaitingViewSet):
    def thread(self, thread_id: str, access: Access = Access.READ) -> Thread:
        return Thread.objects.find_for(self.request.user, thread_id, access, values=False)

    def checked(self, serializer: type[S], data: Any) -> S:
        found = serializer(data=data)
        found.is_valid(raise_exception=True)
        return found

    def valid(self, serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
        return dict(self.checked(serializer, data).validated_data)

    def joined(self, run: Run, *, stateless: bool = False) -> RunResponse:
        """The stream of a run that exists, from where the client wants it: without a wish from now on.

        What has ended is sent whole. So is a resumable run: its events have ids, and a client that names none
        has seen none, though its stream may have broken when there were some.
        """
        check_capacity()
        query = self.valid(JoinStreamQuerySerializer, self.request.query_params)
        return event_stream(
            run,
            after=self._after(run),
            modes=query.get("stream_mode", ()),
            cancels=query["cancel_on_disconnect"],
            stateless=stateless,
        )

    def result(self, run: Run) -> RunResponse:
        """What a run that exists ends with, when it has ended."""
        check_capacity()
        query = self.valid(JoinQuerySerializer, self.request.query_params)
        return ResultResponse(run, cancels=query["cancel_on_disconnect"])

    @property
    def last_event_id(self) -> str | None:
        return self.request.headers.get("Last-Event-ID") or None

    def joining(self) -> Access:
        """The access that joining a run takes: more than reading where leaving would cancel the run."""
        query = self.valid(JoinQuerySerializer, self.request.query_params)
        if not query["cancel_on_disconnect"]:
            return Access.READ
        if not may(self.request.user, CANCEL):
            raise PermissionDenied
        return Access.RUN

    def _after(self, run: Run) -> int:
        last = self.last_event_id
        if last in BEGINNING:
            return 0
        if last is None:
            return 0 if run.is_finished or run.kwargs["resumable"] else run.last_seq()
        if not last.isdecimal() or len(last) > 9:
            raise InvalidEventId
        return int(last)


@extend_schema(tags=["Thread Runs"])
class RunViewSet(RunViews):
    permissions = {
        **dict.fromkeys(["create", "stream", "wait"], ADD),
        **dict.fromkeys(["list", "retrieve", "join", "join_stream"], VIEW),
        "destroy": DELETE,
        "cancel": CANCEL,
    }

    @extend_schema(
        operation_id="create_run_threads__thread_id__runs_post",
        request=RunCreateSerializer,
        responses={200: RunSerializer},
        parameters=[*RUN_HEADERS, IDEMPOTENCY_KEY, PREFER],
    )
    def create(self, request: Request, thread_id: str) -> HttpResponseBase:
        """Execute a run and answer when it has ended, well or badly: see its `status`.

        A run that is to begin later, by `after_seconds`, is answered at once, pending; so is every run if
        the server's setting or `Prefer: respond-async` says so.
        """
        body, preference = self.checked(RunCreateSerializer, request.data), Preference.of(request)
        at_once = conf.SKEINO_RUN_CREATE == "background" or preference.respond_async or body.delay > 0
        if preference.wait is not None or not at_once:
            check_capacity()
        run = submit(request, body, thread_id, is_followed=at_once)
        return answered(run, preference, at_once=at_once)

    @extend_schema(
        operation_id="stream_run_threads__thread_id__runs_stream_post",
        request=RunCreateSerializer,
        responses=EVENT_STREAM,
        parameters=[IDEMPOTENCY_KEY],
    )
    def stream(self, request: Request, thread_id: str) -> HttpResponseBase:
        """Execute a run and stream its events. The run goes on if the client leaves."""
        check_capacity()
        body = self.checked(RunCreateSerializer, request.data)
        return event_stream(submit(request, body, thread_id))

    @extend_schema(
        operation_id="wait_run_threads__thread_id__runs_wait_post",
        request=RunCreateSerializer,
        responses=RESULT,
        parameters=[IDEMPOTENCY_KEY],
    )
    def wait(self, request: Request, thread_id: str) -> HttpResponseBase:
        """Execute a run and answer with the state it ends with. Line breaks come while it goes on.

        A failed run has `__error__`, one that waits for a person `__interrupt__`.
        """
        check_capacity()
        body = self.checked(RunCreateSerializer, request.data)
        return ResultResponse(submit(request, body, thread_id, is_followed=False))

    @extend_schema(
        operation_id="list_runs_http_threads__thread_id__runs_get",
        parameters=[RunListSerializer],
        responses=RunSerializer(many=True),
    )
    def list(self, request: Request, thread_id: str) -> Response:
        """The thread's runs, newest first."""
        thread = self.thread(thread_id)
        query = self.valid(RunListSerializer, request.query_params)
        shown = {"select": query.pop("select", None)}
        runs = Run.objects.filter(thread=thread).page(**query)
        return Response(RunSerializer(runs, many=True, context=shown).data)

    @extend_schema(operation_id="get_run_http_threads__thread_id__runs__run_id__get", responses=RunSerializer)
    def retrieve(self, request: Request, thread_id: str, run_id: str) -> Response:
        """One run."""
        return Response(RunSerializer(self.run(thread_id, run_id)).data)

    @extend_schema(operation_id="delete_run_threads__thread_id__runs__run_id__delete", responses={204: None})
    def destroy(self, request: Request, thread_id: str, run_id: str) -> Response:
        """Delete a run and its events. One that is active is stopped and undone: its checkpoints go too."""
        self.run(thread_id, run_id, Access.MANAGE).delete()
        return Response(status=204)

    @extend_schema(
        operation_id="join_run_http_threads__thread_id__runs__run_id__join_get",
        responses=RESULT,
        parameters=[JoinQuerySerializer],
    )
    def join(self, request: Request, thread_id: str, run_id: str) -> HttpResponseBase:
        """Wait for a run that exists, and answer as its `wait` would."""
        return self.result(self.run(thread_id, run_id, self.joining()))

    @extend_schema(
        operation_id="stream_run_http_threads__thread_id__runs__run_id__join_get",
        responses=EVENT_STREAM,
        parameters=[JoinStreamQuerySerializer, LAST_EVENT_ID],
    )
    def join_stream(self, request: Request, thread_id: str, run_id: str) -> HttpResponseBase:
        """The stream of a run that exists: from an event on, else from now on; whole if it has ended."""
        return self.joined(self.run(thread_id, run_id, self.joining()))

    @extend_schema(
        operation_id="cancel_run_http_threads__thread_id__runs__run_id__cancel_post",
        request=None,
        responses={200: OpenApiTypes.OBJECT, 202: None},
        parameters=[CancelRunQuerySerializer],
    )
    def cancel(self, request: Request, thread_id: str, run_id: str) -> HttpResponseBase:
        """Stop a run that waits or executes. Answers at once, or with `wait` when it has ended."""
        query = self.valid(CancelRunQuerySerializer, request.query_params)
        run = self.run(thread_id, run_id, Access.RUN)
        if not run.cancel(Run.CancelAction(query["action"])):
            raise NothingToCancel
        if not query["wait"]:
            return Response(status=202)
        path = path_of(run)
        headers = {"Location": f"{path}/join", "Content-Location": path}
        return AnswerWhenEnded(run, lambda run: ({}, headers), cancels=False, gone=({}, headers))

    def run(self, thread_id: str, run_id: str, access: Access = Access.READ) -> Run:
        return Run.objects.filter(thread=self.thread(thread_id, access)).find(run_id)


def answered(run: Run, preference: Preference, *, at_once: bool) -> HttpResponseBase:
    """The run, when it has ended unless client or server would have it earlier."""
    preferred = {"Preference-Applied": preference.applied} if preference.applied else {}

    def described(run: Run) -> tuple[Any, dict[str, str]]:
        path = path_of(run)
        headers = {"Location": path, "Content-Location": path, "X-Tokens-Used": str(run.total_tokens)}
        return RunSerializer(run).data, headers | preferred

    if preference.wait is not None:
        return AnswerWhenEnded(run, described, seconds=preference.wait)
    if not at_once:
        return AnswerWhenEnded(run, described)
    shown, headers = described(run)
    return Response(shown, headers=headers)
