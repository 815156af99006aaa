from __future__ import annotations

from django.urls import path

from runs.consumers import RunStreamConsumer

websocket_urlpatterns = [
    path("ws/threads/<str:thread_id>/runs/<str:run_id>/stream", RunStreamConsumer.as_asgi()),
]
