from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from threads.models import Thread
from threads.policy import Access
from threads.serializers.shares import ShareSerializer
from threads.sharing import ThreadShare
from threads.views import ThreadViews


@extend_schema(tags=["Sharing"])
class ThreadShareViewSet(ThreadViews):
    permissions = {
        "list": ("threads.share_thread",),
        "create": ("threads.share_thread",),
        "destroy": ("threads.share_thread",),
    }

    @extend_schema(operation_id="list_thread_shares", responses=ShareSerializer(many=True))
    def list(self, request: Request, thread_id: str) -> Response:
        """The groups that the thread is shared with."""
        shares = ThreadShare.objects.filter(thread=self.managed(thread_id)).select_related("group")
        return Response(ShareSerializer(shares, many=True).data)

    @extend_schema(operation_id="share_thread", request=ShareSerializer, responses={200: ShareSerializer})
    def create(self, request: Request, thread_id: str) -> Response:
        """Let a group that you are in read the thread, or read and run. A second call changes it."""
        thread = self.managed(thread_id)
        body = self.valid(ShareSerializer, request.data)
        access = body.get("access", Access.READ)
        share = ThreadShare.objects.share(thread, body["group"]["name"], access, user=request.user)
        return Response(ShareSerializer(share).data)

    @extend_schema(
        operation_id="unshare_thread",
        parameters=[OpenApiParameter("group_id", OpenApiTypes.INT, "path")],
        responses={204: None},
    )
    def destroy(self, request: Request, thread_id: str, group_id: int) -> Response:
        """Share the thread with the group no more."""
        ThreadShare.objects.end(self.managed(thread_id), group_id)
        return Response(status=204)

    def managed(self, thread_id: str) -> Thread:
        return Thread.objects.find_for(self.request.user, thread_id, Access.MANAGE, values=False)
