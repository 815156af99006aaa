"""The ASGI application: HTTP by Django, WebSockets by Channels, static files beside both."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

import django
from asgiref.sync import sync_to_async

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "skeino_site.settings")
django.setup(set_prefix=False)

# Only now, for these import models.
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402

from assistants.graphs import registry  # noqa: E402
from assistants.models import Assistant  # noqa: E402
from runs import garbage  # noqa: E402
from runs.connections import drop_dead  # noqa: E402
from runs.events import reader  # noqa: E402
from runs.handshake import BrowserOriginValidator  # noqa: E402
from runs.routing import websocket_urlpatterns  # noqa: E402
from skeino_site.handler import ThreadedASGIHandler  # noqa: E402


def _end_streams_on_signals() -> None:
    """Break open streams off as soon as the server is told to stop: it would wait for them.

    Their clients rejoin their runs where another process answers. Servers tell applications of the end only
    when all requests have ended, so this listens in on their signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        inner = signal.getsignal(number)

        def end_streams(number: int, frame: FrameType | None, inner: Any = inner) -> None:
            logging.getLogger("uvicorn.error").addFilter(_is_no_broken_stream)
            loop.call_soon_threadsafe(reader.end_streams)
            if callable(inner):
                inner(number, frame)

        signal.signal(number, end_streams)


def _is_no_broken_stream(record: logging.LogRecord) -> bool:
    return "without completing response" not in record.getMessage()


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Start by loading the graphs, so that a process that cannot serve them never takes a request."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                registry.load_all()
                await sync_to_async(Assistant.objects.sync)()  # for graphs that are new since `migrate`
            except Exception as exc:  # raised, the server would take it for an application without lifespan
                await send({"type": "lifespan.startup.failed", "message": str(exc)})
                return
            garbage.settle()
            _end_streams_on_signals()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await reader.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


_sockets = BrowserOriginValidator(
    AuthMiddlewareStack(URLRouter(websocket_urlpatterns)), settings.ALLOWED_HOSTS
)


async def websocket(scope: Any, receive: Any, send: Any) -> None:
    """Whoever connects is looked up in a thread whose connection lasts, unless the server has closed it."""
    await sync_to_async(drop_dead)()
    await _sockets(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": ASGIStaticFilesHandler(ThreadedASGIHandler()),
        "websocket": websocket,
        "lifespan": lifespan,
    }
)
