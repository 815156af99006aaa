from __future__ import annotations

from django.urls import path

from runs.graph_api.views import GraphCallViewSet, GraphViewSet, PingViewSet

urlpatterns = [
    path("ping", PingViewSet.as_view({"get": "ping"})),
    path("v1/graph", GraphViewSet.as_view({"get": "retrieve"})),
    path("v1/graph:StateSchema", GraphViewSet.as_view({"get": "state_schema"})),
    path("v1/graph/invoke", GraphCallViewSet.as_view({"post": "invoke"})),
    path("v1/graph/stream", GraphCallViewSet.as_view({"post": "stream"})),
    path("v1/graph/stop", GraphCallViewSet.as_view({"post": "stop"})),
]
