"""A run's events on their way out: as a response body, or as the answer to a request that waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from rest_framework.response import Response

from runs.conf import conf
from runs.events import reader
from runs.models import Run
from runs.sse import HEARTBEAT, frame


def event_stream(run: Run) -> StreamingHttpResponse:
    """The run's events from its first, as server-sent events, until it has ended (wire contract 4.1)."""
    path = f"/threads/{run.thread_id}/runs/{run.pk}"
    return StreamingHttpResponse(
        _frames(run),
        content_type="text/event-stream; charset=utf-8",
        headers={
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "Location": f"{path}/stream",
            "Content-Location": path,
        },
    )


async def _frames(run: Run) -> AsyncIterator[bytes]:
    with_ids = bool(run.kwargs["resumable"])
    async for events in reader.follow(run.pk, silence=conf.SKEINO_STREAM_HEARTBEAT_SECONDS):
        yield b"".join(
            frame(event.event, event.data, event.seq if with_ids else None) for event in events
        ) or HEARTBEAT


class AnswerWhenEnded(Response):
    """The response to a request that waits for its run; ``answer`` fills it in when the run has ended."""

    def __init__(self, run: Run, answer: Callable[[Run], tuple[Any, dict[str, str]]]) -> None:
        super().__init__()
        self._run, self._answer = run, answer

    async def wait(self) -> None:
        await reader.wait_for_end(self._run.pk)
        run = await Run.objects.select_related("thread").aget(pk=self._run.pk)
        self.data, headers = self._answer(run)
        for name, value in headers.items():
            self.headers[name] = value


class WaitingViewMixin:
    """For viewsets with actions that stream or wait: the actions are synchronous, what comes after is not.

    The request's database connection goes back to the pool first: a stream may last for hours.
    """

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Callable[..., Awaitable[HttpResponseBase]]:
        view = super().as_view(actions, **initkwargs)  # type: ignore[misc]

        @wraps(view)
        async def waiting_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response = await sync_to_async(view)(request, *args, **kwargs)
            if response.streaming or isinstance(response, AnswerWhenEnded):
                await sync_to_async(_give_back_connections)()
            if isinstance(response, AnswerWhenEnded):
                await response.wait()
            return response

        return waiting_view


def _give_back_connections() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
