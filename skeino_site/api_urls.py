"""The whole API, for projects to include under a prefix of theirs."""

from __future__ import annotations

from django.urls import include, path

from skeino_site.views import MetaViewSet

urlpatterns = [
    path("ok", MetaViewSet.as_view({"get": "ok"})),
    path("info", MetaViewSet.as_view({"get": "info"})),
    path("api/health", MetaViewSet.as_view({"get": "health"})),
    path("api/initial-message", MetaViewSet.as_view({"get": "initial_message"})),
    path("", include("assistants.urls")),
    path("", include("threads.urls")),
    path("", include("runs.urls")),
]
