from __future__ import annotations

from django.urls import path

from assistants.views import AssistantViewSet

urlpatterns = [
    path("assistants/search", AssistantViewSet.as_view({"post": "search"})),
    path("assistants/<str:assistant_id>", AssistantViewSet.as_view({"get": "retrieve"})),
]
