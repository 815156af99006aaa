from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from assistants.viewsets import ApiViewSet
from threads import state
from threads.conf import conf
from threads.models import Thread
from threads.policy import Access
from threads.serializers.states import (
    CheckpointChoiceSerializer,
    HistoryQuerySerializer,
    HistorySearchSerializer,
    StateAtCheckpointSerializer,
    StateQuerySerializer,
    StateUpdatedSerializer,
    StateUpdateSerializer,
    ThreadStateSerializer,
)
from threads.serializers.threads import (
    CopyQuerySerializer,
    ThreadCreateSerializer,
    ThreadPatchSerializer,
    ThreadQuerySerializer,
    ThreadSearchSerializer,
    ThreadSerializer,
)
from threads.supersteps import as_supersteps

CONTENT = ("threads.view_thread_content",)


class ThreadViews(ApiViewSet):
    def thread(self, thread_id: str, access: Access = Access.READ) -> Thread:
        return Thread.objects.find_for(self.request.user, thread_id, access)

    def valid(self, serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
        checked = serializer(data=data)
        checked.is_valid(raise_exception=True)
        return checked.validated_data


@extend_schema(tags=["Threads"])
class ThreadViewSet(ThreadViews):
    permissions = {
        "create": ("threads.add_thread",),
        "search": ("threads.view_thread", *CONTENT),
        "retrieve": ("threads.view_thread", *CONTENT),
        "partial_update": ("threads.change_thread", *CONTENT),
        "destroy": ("threads.delete_thread",),
        "copy": ("threads.add_thread", *CONTENT),
    }

    @extend_schema(
        operation_id="create_thread_threads_post",
        request=ThreadCreateSerializer,
        responses={200: ThreadSerializer},
    )
    def create(self, request: Request) -> Response:
        """Create a thread, with a state if ``supersteps`` are given: both or neither."""
        body = self.valid(ThreadCreateSerializer, request.data)
        supersteps = body.pop("supersteps", None)
        with transaction.atomic() if supersteps else nullcontext():
            thread = Thread.objects.open(user=request.user, **body)
            if supersteps:
                state.apply(thread, as_supersteps(supersteps))
                thread.refresh_from_db()
        return Response(ThreadSerializer(thread).data)

    @extend_schema(
        operation_id="search_threads_threads_search_post",
        request=ThreadSearchSerializer,
        responses=ThreadSerializer(many=True),
    )
    def search(self, request: Request) -> Response:
        """Find threads, newest first unless ``sort_by`` says otherwise."""
        query = self.valid(ThreadSearchSerializer, request.data)
        shown = {"select": query.pop("select", None), "extract": query.pop("extract", None)}
        page = Thread.objects.visible_to(request.user).search(**query, decoded=bool(shown["extract"]))
        found: Any = page.items
        return Response(ThreadSerializer(found, many=True, context=shown).data, headers=page.headers)

    @extend_schema(
        operation_id="get_thread_threads__thread_id__get",
        parameters=[ThreadQuerySerializer],
        responses=ThreadSerializer,
    )
    def retrieve(self, request: Request, thread_id: str) -> Response:
        """One thread, with its latest values."""
        thread = self.thread(thread_id)
        included = self.valid(ThreadQuerySerializer, request.query_params).get("include", "")
        context = {"include_ttl": "ttl" in included.split(",")}
        return Response(ThreadSerializer(thread, context=context).data)

    @extend_schema(
        operation_id="patch_thread_threads__thread_id__patch",
        request=ThreadPatchSerializer,
        responses={200: ThreadSerializer, 204: None},
    )
    def partial_update(self, request: Request, thread_id: str) -> Response:
        """Merge into the thread's metadata, set its time to live. ``Prefer: return=minimal`` answers 204."""
        thread = self.thread(thread_id, Access.MANAGE)
        thread.patch(**self.valid(ThreadPatchSerializer, request.data))
        if "return=minimal" in request.headers.get("Prefer", ""):
            return Response(status=204)
        return Response(ThreadSerializer(thread).data)

    @extend_schema(operation_id="delete_thread_threads__thread_id__delete", responses={204: None})
    def destroy(self, request: Request, thread_id: str) -> Response:
        """Delete the thread with its runs and checkpoints. What runs on it is stopped."""
        self.thread(thread_id, Access.MANAGE).delete()
        return Response(status=204)

    @extend_schema(
        operation_id="copy_thread_post_threads__thread_id__copy_post",
        request=None,
        parameters=[CopyQuerySerializer],
        responses=ThreadSerializer,
    )
    def copy(self, request: Request, thread_id: str) -> Response:
        """A new thread with this one's latest state, or its whole history."""
        thread = self.thread(thread_id)
        history = self.valid(CopyQuerySerializer, request.query_params)["history"]
        history = conf.SKEINO_COPY == "history" if history is None else history
        return Response(ThreadSerializer(thread.copy(request.user, history=history)).data)


@extend_schema(tags=["Threads"])
class ThreadStateViewSet(ThreadViews):
    permissions = {
        "latest": CONTENT,
        "at": CONTENT,
        "at_checkpoint": CONTENT,
        "update": ("threads.change_state",),
        "history": CONTENT,
        "search_history": CONTENT,
    }

    @extend_schema(
        operation_id="get_latest_thread_state_threads__thread_id__state_get",
        parameters=[StateQuerySerializer],
        responses=ThreadStateSerializer,
    )
    def latest(self, request: Request, thread_id: str) -> Response:
        """The thread's state at its latest checkpoint."""
        thread = self.thread(thread_id)
        query = self.valid(StateQuerySerializer, request.query_params)
        return Response(state.read(thread, **query))

    @extend_schema(
        operation_id="get_thread_state_at_checkpoint_threads__thread_id__state__checkpoint_id__get",
        parameters=[StateQuerySerializer],
        responses=ThreadStateSerializer,
    )
    def at(self, request: Request, thread_id: str, checkpoint_id: str) -> Response:
        """The thread's state at a checkpoint."""
        thread = self.thread(thread_id)
        checkpoint = self.valid(CheckpointChoiceSerializer, {"checkpoint_id": checkpoint_id})
        query = self.valid(StateQuerySerializer, request.query_params)
        return Response(state.read(thread, checkpoint=checkpoint, **query))

    @extend_schema(
        operation_id="post_thread_state_at_checkpoint_threads__thread_id__state__checkpoint_id__get",
        request=StateAtCheckpointSerializer,
        responses=ThreadStateSerializer,
    )
    def at_checkpoint(self, request: Request, thread_id: str) -> Response:
        """The thread's state at a checkpoint, of a subgraph too; without ``checkpoint_id`` the latest."""
        thread = self.thread(thread_id)
        body = self.valid(StateAtCheckpointSerializer, request.data)
        subgraphs = body.pop("subgraphs")
        return Response(state.read(thread, checkpoint=body.get("checkpoint") or body, subgraphs=subgraphs))

    @extend_schema(
        operation_id="update_thread_state_threads__thread_id__state_post",
        request=StateUpdateSerializer,
        responses=StateUpdatedSerializer,
    )
    def update(self, request: Request, thread_id: str) -> Response:
        """Edit the thread's state, as if a node had written it. Not while a run is active."""
        thread = self.thread(thread_id, Access.RUN)
        body = self.valid(StateUpdateSerializer, request.data)
        checkpoint = body.get("checkpoint") or {"checkpoint_id": body.get("checkpoint_id")}
        values = body.get("values") or [None]
        return Response(state.update(thread, values, as_node=body.get("as_node"), checkpoint=checkpoint))

    @extend_schema(
        operation_id="get_thread_history_threads__thread_id__history_get",
        parameters=[HistoryQuerySerializer],
        responses=ThreadStateSerializer(many=True),
    )
    def history(self, request: Request, thread_id: str) -> Response:
        """The thread's states, newest first."""
        thread = self.thread(thread_id)
        query = self.valid(HistoryQuerySerializer, request.query_params)
        return Response(list(state.history(thread, **query)))

    @extend_schema(
        operation_id="get_thread_history_post_threads__thread_id__history_post",
        request=HistorySearchSerializer,
        responses=ThreadStateSerializer(many=True),
    )
    def search_history(self, request: Request, thread_id: str) -> Response:
        """The thread's states that meet every condition, newest first."""
        thread = self.thread(thread_id)
        query = self.valid(HistorySearchSerializer, request.data)
        return Response(list(state.history(thread, **query)))
