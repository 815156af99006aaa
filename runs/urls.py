from __future__ import annotations

from django.urls import include, path

from runs.stateless_views import RunBatchViewSet, RunCancelViewSet, StatelessRunViewSet
from runs.thread_stream_views import ThreadStreamViewSet
from runs.views import RunViewSet

RUNS = "threads/<str:thread_id>/runs"

urlpatterns = [
    path("", include("runs.graph_api.urls")),
    path(RUNS, RunViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{RUNS}/stream", RunViewSet.as_view({"post": "stream"})),
    path(f"{RUNS}/wait", RunViewSet.as_view({"post": "wait"})),
    path(f"{RUNS}/<str:run_id>", RunViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path(f"{RUNS}/<str:run_id>/join", RunViewSet.as_view({"get": "join"})),
    path(f"{RUNS}/<str:run_id>/stream", RunViewSet.as_view({"get": "join_stream"})),
    path(f"{RUNS}/<str:run_id>/cancel", RunViewSet.as_view({"post": "cancel"})),
    path("threads/<str:thread_id>/stream", ThreadStreamViewSet.as_view({"get": "retrieve"})),
    path("runs", StatelessRunViewSet.as_view({"post": "create"})),
    path("runs/stream", StatelessRunViewSet.as_view({"post": "stream"})),
    path("runs/wait", StatelessRunViewSet.as_view({"post": "wait"})),
    path("runs/batch", RunBatchViewSet.as_view({"post": "create"})),
    path("runs/cancel", RunCancelViewSet.as_view({"post": "create"})),
    path("runs/<str:run_id>", StatelessRunViewSet.as_view({"get": "retrieve"})),
    path("runs/<str:run_id>/join", StatelessRunViewSet.as_view({"get": "join"})),
    path("runs/<str:run_id>/stream", StatelessRunViewSet.as_view({"get": "join_stream"})),
]
