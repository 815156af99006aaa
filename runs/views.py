from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from assistants.models import Assistant
from runs.models import Run
from runs.serializers import RunCreateSerializer, RunListSerializer, RunSerializer
from runs.streaming import AnswerWhenEnded, WaitingViewSet, event_stream
from threads.models import Thread, ThreadQuerySet


@extend_schema(tags=["Runs"])
class RunViewSet(WaitingViewSet):
    @extend_schema(
        operation_id="create_run_threads__thread_id__runs_post",
        request=RunCreateSerializer,
        responses={200: RunSerializer},
        parameters=[
            OpenApiParameter("Location", str, "header", response=True, description="The run's path."),
            OpenApiParameter("X-Tokens-Used", int, "header", response=True, description="Tokens of the run."),
        ],
    )
    def create(self, request: Request, thread_id: str) -> HttpResponseBase:
        """Execute a run and answer when it has ended, well or badly: see its `status`.

        A run that is to begin later, by `after_seconds`, is answered at once, pending.
        """
        run = self.submit(request, thread_id)
        body: Any = request.data
        if not body.get("after_seconds"):
            return AnswerWhenEnded(run, described)
        shown, headers = described(run)
        return Response(shown, headers=headers)

    @extend_schema(
        operation_id="stream_run_threads__thread_id__runs_stream_post",
        request=RunCreateSerializer,
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def stream(self, request: Request, thread_id: str) -> HttpResponseBase:
        """Execute a run and stream its events. The run goes on if the client leaves."""
        return event_stream(self.submit(request, thread_id))

    @extend_schema(
        operation_id="list_runs_http_threads__thread_id__runs_get",
        parameters=[RunListSerializer],
        responses=RunSerializer(many=True),
    )
    def list(self, request: Request, thread_id: str) -> Response:
        """The thread's runs, newest first."""
        thread = self.threads().find(thread_id)
        query = RunListSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        shown = {"select": query.validated_data.pop("select", None)}
        runs = Run.objects.filter(thread=thread).page(**query.validated_data)
        return Response(RunSerializer(runs, many=True, context=shown).data)

    @extend_schema(operation_id="get_run_http_threads__thread_id__runs__run_id__get", responses=RunSerializer)
    def retrieve(self, request: Request, thread_id: str, run_id: str) -> Response:
        """One run."""
        thread = self.threads().find(thread_id)
        return Response(RunSerializer(Run.objects.filter(thread=thread).find(run_id)).data)

    def threads(self) -> ThreadQuerySet:
        return Thread.objects.visible_to(self.request.user).without_values()

    def submit(self, request: Request, thread_id: str) -> Run:
        body = RunCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        assistant = Assistant.objects.find(data["assistant_id"])
        threads = self.threads()
        create = data.get("if_not_exists") == "create"
        thread = threads.find_or_open(thread_id, user=request.user) if create else threads.find(thread_id)
        return Run.objects.submit(
            thread,
            assistant,
            kwargs=body.run_kwargs,
            metadata=data.get("metadata"),
            multitask_strategy=data.get("multitask_strategy") or Run.MultitaskStrategy.ENQUEUE,
            after_seconds=max(data.get("after_seconds") or 0, 0),
        )


def described(run: Run) -> tuple[Any, dict[str, str]]:
    path = f"/threads/{run.thread_id}/runs/{run.pk}"
    headers = {"Location": path, "Content-Location": path, "X-Tokens-Used": str(run.total_tokens)}
    return RunSerializer(run).data, headers
