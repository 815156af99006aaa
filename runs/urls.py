from __future__ import annotations

from django.urls import path

from runs.views import RunViewSet

urlpatterns = [
    path("threads/<str:thread_id>/runs", RunViewSet.as_view({"get": "list", "post": "create"})),
    path("threads/<str:thread_id>/runs/stream", RunViewSet.as_view({"post": "stream"})),
    path("threads/<str:thread_id>/runs/<str:run_id>", RunViewSet.as_view({"get": "retrieve"})),
]
