from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.existing_project.settings")
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import path  # noqa: E402

from runs.handshake import BrowserOriginValidator  # noqa: E402
from runs.routing import websocket_urlpatterns  # noqa: E402

sockets = URLRouter([path("agents/v2/", URLRouter(websocket_urlpatterns))])
application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": BrowserOriginValidator(sockets, settings.ALLOWED_HOSTS),
    }
)
