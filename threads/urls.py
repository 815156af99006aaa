from __future__ import annotations

from django.urls import path

from threads.views import ThreadViewSet

urlpatterns = [
    path("threads", ThreadViewSet.as_view({"post": "create"})),
    path("threads/search", ThreadViewSet.as_view({"post": "search"})),
    path(
        "threads/<str:thread_id>",
        ThreadViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("threads/<str:thread_id>/state", ThreadViewSet.as_view({"get": "state"})),
    path(
        "threads/<str:thread_id>/history",
        ThreadViewSet.as_view({"get": "history", "post": "search_history"}),
    ),
]
