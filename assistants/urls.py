from __future__ import annotations

from django.urls import path

from assistants.views import AssistantViewSet

urlpatterns = [
    path("assistants/search", AssistantViewSet.as_view({"post": "search"})),
    path("assistants/<str:assistant_id>", AssistantViewSet.as_view({"get": "retrieve"})),
    path("assistants/<str:assistant_id>/schemas", AssistantViewSet.as_view({"get": "schemas"})),
    path("assistants/<str:assistant_id>/graph", AssistantViewSet.as_view({"get": "graph"})),
    path("assistants/<str:assistant_id>/subgraphs", AssistantViewSet.as_view({"get": "subgraphs"})),
    path(
        "assistants/<str:assistant_id>/subgraphs/<str:namespace>",
        AssistantViewSet.as_view({"get": "subgraphs_in"}),
    ),
]
