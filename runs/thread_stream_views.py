from __future__ import annotations

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from runs.permissions import VIEW
from runs.query_serializers import ThreadStreamQuerySerializer
from runs.streaming import EVENT_STREAM_HEADERS, check_capacity
from runs.thread_stream import Start, ThreadStream
from runs.views import EVENT_STREAM, LAST_EVENT_ID, RunViews


@extend_schema(tags=["Threads"])
class ThreadStreamViewSet(RunViews):
    permissions = {"retrieve": VIEW}

    @extend_schema(
        operation_id="join_thread_stream_threads__thread_id__stream_get",
        responses=EVENT_STREAM,
        parameters=[ThreadStreamQuerySerializer, LAST_EVENT_ID],
    )
    def retrieve(self, request: Request, thread_id: str) -> HttpResponseBase:
        """The events of all runs of the thread, one run after another, from now on or from an event on.

        It ends when the thread is deleted.
        """
        check_capacity()
        thread = self.thread(thread_id)
        query = self.checked(ThreadStreamQuerySerializer, request.query_params)
        stream = ThreadStream(
            thread.pk, Start.at(thread, self.last_event_id), lifecycle_only=query.is_lifecycle_only
        )
        return StreamingHttpResponse(
            stream.frames(),
            content_type="text/event-stream; charset=utf-8",
            headers={**EVENT_STREAM_HEADERS, "Location": f"/threads/{thread.pk}/stream"},
        )
