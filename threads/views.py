from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from threads import state
from threads.models import Thread
from threads.serializers import (
    HistoryQuerySerializer,
    HistorySearchSerializer,
    StateQuerySerializer,
    ThreadCreateSerializer,
    ThreadPatchSerializer,
    ThreadSearchSerializer,
    ThreadSerializer,
    ThreadStateSerializer,
)


@extend_schema(tags=["Threads"])
class ThreadViewSet(ViewSet):
    @extend_schema(operation_id="create_thread", request=ThreadCreateSerializer, responses=ThreadSerializer)
    def create(self, request: Request) -> Response:
        """Create a thread."""
        body = ThreadCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        thread = Thread.objects.open(user=request.user, **body.validated_data)
        return Response(ThreadSerializer(thread).data)

    @extend_schema(
        operation_id="search_threads", request=ThreadSearchSerializer, responses=ThreadSerializer(many=True)
    )
    def search(self, request: Request) -> Response:
        """Find threads, newest first unless ``sort_by`` says otherwise."""
        query = ThreadSearchSerializer(data=request.data)
        query.is_valid(raise_exception=True)
        page = Thread.objects.visible_to(request.user).search(**query.validated_data)
        return Response(ThreadSerializer(page.items, many=True).data, headers=page.headers)

    @extend_schema(operation_id="get_thread", responses=ThreadSerializer)
    def retrieve(self, request: Request, thread_id: str) -> Response:
        """One thread, with its latest values."""
        return Response(ThreadSerializer(self.thread(thread_id)).data)

    @extend_schema(operation_id="patch_thread", request=ThreadPatchSerializer, responses=ThreadSerializer)
    def partial_update(self, request: Request, thread_id: str) -> Response:
        """Merge into the thread's metadata."""
        thread = self.thread(thread_id)
        body = ThreadPatchSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        thread.merge_metadata(body.validated_data.get("metadata") or {})
        return Response(ThreadSerializer(thread).data)

    @extend_schema(operation_id="delete_thread", responses={204: None})
    def destroy(self, request: Request, thread_id: str) -> Response:
        """Delete the thread with its runs and checkpoints."""
        self.thread(thread_id).delete()
        return Response(status=204)

    @extend_schema(
        operation_id="get_latest_thread_state",
        parameters=[StateQuerySerializer],
        responses=ThreadStateSerializer,
    )
    def state(self, request: Request, thread_id: str) -> Response:
        """The thread's state at its latest checkpoint."""
        thread = self.thread(thread_id)
        query = StateQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        return Response(state.read(thread, **query.validated_data))

    @extend_schema(
        operation_id="get_thread_history",
        parameters=[HistoryQuerySerializer],
        responses=ThreadStateSerializer(many=True),
    )
    def history(self, request: Request, thread_id: str) -> Response:
        """The thread's states, newest first."""
        thread = self.thread(thread_id)
        query = HistoryQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        return Response(list(state.history(thread, **query.validated_data)))

    @extend_schema(
        operation_id="get_thread_history_post",
        request=HistorySearchSerializer,
        responses=ThreadStateSerializer(many=True),
    )
    def search_history(self, request: Request, thread_id: str) -> Response:
        """The thread's states that meet every condition, newest first."""
        thread = self.thread(thread_id)
        query = HistorySearchSerializer(data=request.data)
        query.is_valid(raise_exception=True)
        return Response(list(state.history(thread, **query.validated_data)))

    def thread(self, thread_id: str) -> Thread:
        return Thread.objects.visible_to(self.request.user).find(thread_id)
