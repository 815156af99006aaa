"""A run's events on their way out: as a response body, or as the answer to a request that waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.viewsets import ViewSet

from runs.conf import conf
from runs.connections import close_all
from runs.events import reader
from runs.exceptions import RunNotFound
from runs.models import Run
from runs.sse import HEARTBEAT, frame
from threads.encoding import encode


class RunResponse(StreamingHttpResponse):
    """A response as long as its run. A handler calls ``on_disconnect`` when the client has left."""

    def __init__(self, run: Run, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.run = run

    def on_disconnect(self) -> None:
        if self.run.kwargs.get("on_disconnect") == "cancel":
            self.run.cancel()


def event_stream(run: Run) -> RunResponse:
    """The run's events from its first, as server-sent events, until it has ended (wire contract 4.1)."""
    path = f"/threads/{run.thread_id}/runs/{run.pk}"
    return RunResponse(
        run,
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
        yield (
            b"".join(frame(event.event, event.data, event.seq if with_ids else None) for event in events)
            or HEARTBEAT
        )


class AnswerWhenEnded(RunResponse):
    """The response to a request that waits for its run: ``wait``, then send what ``answer`` makes.

    It counts as streaming, so that middleware adds headers and asks for no content.
    """

    def __init__(self, run: Run, respond: Callable[[Run], tuple[Any, dict[str, str]]]) -> None:
        super().__init__(run)
        self._respond = respond

    async def wait(self) -> None:
        await reader.wait_for_end(self.run.pk)

    def answer(self) -> HttpResponse:
        """The final response, with this one's headers. A run that was deleted meanwhile is not found."""
        try:
            run = Run.objects.get(pk=self.run.pk)
        except Run.DoesNotExist:
            body, headers, status = {"detail": str(RunNotFound(self.run.pk).detail)}, dict[str, str](), 404
        else:
            (body, headers), status = self._respond(run), 200
        content = encode(body).encode()
        response = HttpResponse(content, status=status, headers={**self.headers, **headers})
        response.headers["Content-Type"] = "application/json"
        response.headers["Content-Length"] = str(len(content))
        response.cookies = self.cookies
        return response


class WaitingViewSet(ViewSet):
    """A viewset with actions that stream or wait: the actions are synchronous, what comes after is not.

    A handler that knows AnswerWhenEnded takes the view from ``synchronous`` and waits itself. Under Django's
    own handlers the view is asynchronous and waits, and the request's database connection is closed first:
    a stream may last for hours.
    """

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        view = super().as_view(actions, **initkwargs)

        @wraps(view)
        async def waiting_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response: HttpResponseBase = await sync_to_async(view)(request, *args, **kwargs)
            if response.streaming:
                await sync_to_async(close_all)()
            if isinstance(response, AnswerWhenEnded):
                await response.wait()
                return await sync_to_async(response.answer)()
            return response

        waiting_view.synchronous = view  # type: ignore[attr-defined]
        return waiting_view
