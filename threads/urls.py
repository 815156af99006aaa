from __future__ import annotations

from django.urls import path

from threads.share_views import ThreadShareViewSet
from threads.views import ThreadStateViewSet, ThreadViewSet

urlpatterns = [
    path("threads", ThreadViewSet.as_view({"post": "create"})),
    path("threads/search", ThreadViewSet.as_view({"post": "search"})),
    path(
        "threads/<str:thread_id>",
        ThreadViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("threads/<str:thread_id>/copy", ThreadViewSet.as_view({"post": "copy"})),
    path("threads/<str:thread_id>/shares", ThreadShareViewSet.as_view({"get": "list", "post": "create"})),
    path("threads/<str:thread_id>/shares/<int:group_id>", ThreadShareViewSet.as_view({"delete": "destroy"})),
    path("threads/<str:thread_id>/state", ThreadStateViewSet.as_view({"get": "latest", "post": "update"})),
    path("threads/<str:thread_id>/state/checkpoint", ThreadStateViewSet.as_view({"post": "at_checkpoint"})),
    path("threads/<str:thread_id>/state/<str:checkpoint_id>", ThreadStateViewSet.as_view({"get": "at"})),
    path(
        "threads/<str:thread_id>/history",
        ThreadStateViewSet.as_view({"get": "history", "post": "search_history"}),
    ),
]
