"""A run's events on their way out: as a response body, or as the answer to a request that waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial, wraps
from typing import Any
from uuid import UUID

import orjson
from asgiref.sync import sync_to_async
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from assistants.connections import close_all
from assistants.viewsets import ApiViewSet
from runs.conf import conf
from runs.connections import persistently
from runs.events import reader
from runs.events.follower import Event
from runs.exceptions import RunNotFound, TooManyStreams
from runs.lookout import idle_streams
from runs.models import Run
from runs.sse import HEARTBEAT, frame
from runs.statements import FAILURES
from threads import state
from threads.encoding import encode
from threads.exceptions import ThreadNotFound
from threads.models import Thread

# Before the body of an answer that takes its time, so that nobody between takes it for dead (contract 3.4).
KEEP_ALIVE = b"\n"

# As texts, which are handed on.
RESULT = """
SELECT run.status, run.error::text, thread."values"::text, thread.interrupts::text
FROM runs_run run JOIN threads_thread thread ON thread.id = run.thread_id WHERE run.id = %s
"""

EVENT_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def in_thread(call: Callable[[], Any]) -> Any:
    """For handlers that have no threads of their own."""

    def call_and_close() -> Any:
        try:
            return call()
        finally:
            close_all()

    return await sync_to_async(call_and_close)()


class RunResponse(StreamingHttpResponse):
    """A response as long as its run. A handler calls ``on_disconnect`` when the client has left.

    It sets ``in_thread``, if it has threads for database work.
    """

    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]] = staticmethod(in_thread)

    def __init__(self, run: Run, *args: Any, cancels: bool | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.run = run
        self._cancels = run.kwargs.get("on_disconnect") == "cancel" if cancels is None else cancels

    def on_disconnect(self) -> None:
        if self._cancels:
            with suppress(ThreadNotFound):  # deleted meanwhile, and the run with it
                self.run.cancel()


def path_of(run: Run, *, stateless: bool = False) -> str:
    return f"/runs/{run.pk}" if stateless else f"/threads/{run.thread_id}/runs/{run.pk}"


def check_capacity() -> None:
    """Raises TooManyStreams. Before a run is made that nobody could listen to."""
    if reader.open_streams() + idle_streams() >= conf.SKEINO_MAX_STREAMS:
        raise TooManyStreams


def event_stream(
    run: Run,
    *,
    after: int = 0,
    modes: Collection[str] = (),
    wanted: Callable[[Event], bool] | None = None,
    cancels: bool | None = None,
    stateless: bool = False,
) -> RunResponse:
    """The run's events after number ``after``, as server-sent events, until it has ended (contract 4.1).

    ``modes``: the only ones to send events of; ``wanted`` decides in their place. ``cancels``: whether the
    client's leaving cancels the run.
    """
    path = path_of(run, stateless=stateless)
    return RunResponse(
        run,
        _frames(run, after, wanted or (lambda event: is_of(event, modes))),
        cancels=cancels,
        content_type="text/event-stream; charset=utf-8",
        headers={**EVENT_STREAM_HEADERS, "Location": f"{path}/stream", "Content-Location": path},
    )


async def _frames(run: Run, after: int, is_wanted: Callable[[Event], bool]) -> AsyncIterator[bytes]:
    with_ids = bool(run.kwargs["resumable"])
    silence = conf.SKEINO_STREAM_HEARTBEAT_SECONDS
    async for events in reader.follow(run.pk, after=after, silence=silence, new_since=run.new_since):
        wanted = [event for event in events if is_wanted(event)]
        if wanted:
            yield b"".join(frame(e.event, e.data, e.seq if with_ids else None) for e in wanted)
        elif not events:
            yield HEARTBEAT


def is_of(event: Event, modes: Collection[str]) -> bool:
    """Whether an event belongs to one of the modes. Without modes all do; errors always do."""
    name = event.event.partition("|")[0]
    if not modes or name == "error":
        return True
    # Both modes of messages have events called so, or beginning so.
    return (
        "messages-tuple" in modes
        if name == "messages" and "messages" not in modes
        else (name.partition("/")[0] in modes)
    )


class ResultResponse(RunResponse):
    """The state that a run ends with, as JSON, with line breaks before it while the run goes on."""

    def __init__(self, run: Run, *, cancels: bool | None = None) -> None:
        path = path_of(run)
        super().__init__(
            run,
            self._body(),
            cancels=cancels,
            content_type="application/json",
            headers={"Location": f"{path}/join", "Content-Location": path},
        )

    async def _body(self) -> AsyncIterator[bytes]:
        silence = conf.SKEINO_STREAM_HEARTBEAT_SECONDS
        async for _ in reader.follow_end(self.run.pk, silence=silence, new_since=self.run.new_since):
            yield KEEP_ALIVE
        yield (await self._result()).encode()

    async def _result(self) -> str:
        """What the run has left: its thread's values, its interrupts, or its error (contract 3.4)."""
        for status, error, values, interrupts in await persistently(reader.fetch, RESULT, [self.run.pk]):
            if status in FAILURES:
                return f'{{"__error__":{error}}}'
            if interrupts is not None:
                return encode(
                    await self._interrupted(orjson.loads(values or "null"), orjson.loads(interrupts))
                )
            return values or "null"
        return encode(
            {"__error__": {"error": "RunNotFound", "message": str(RunNotFound(self.run.pk).detail)}}
        )

    async def _interrupted(self, values: Any, tasks: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
        interrupts = [found for task in tasks.values() for found in task]
        if len(tasks) == 1:
            return {**(values if isinstance(values, dict) else {}), "__interrupt__": interrupts}
        places = await self.in_thread(partial(_places_of_interrupts, self.run.thread_id))
        return {"__interrupt__": sorted(interrupts, key=lambda found: places.get(found["id"], 0))}


def _places_of_interrupts(thread_id: UUID) -> dict[str, int]:
    """The thread's column keeps no order; the tasks have one."""
    for thread in Thread.objects.filter(pk=thread_id):
        return {found.id: place for place, found in enumerate(state.read(thread)["interrupts"])}
    return {}


class AnswerWhenEnded(RunResponse):
    """The response to a request that waits for its run: ``wait``, then send what ``answer`` makes.

    It counts as streaming, so that middleware adds headers and asks for no content. After ``seconds``, and
    when the server stops, the answer is what there is.
    """

    def __init__(
        self,
        run: Run,
        respond: Callable[[Run], tuple[Any, dict[str, str]]],
        *,
        seconds: float | None = None,
        cancels: bool | None = None,
        gone: tuple[Any, dict[str, str]] | None = None,
    ) -> None:
        super().__init__(run, cancels=cancels)
        self._respond, self._seconds, self._gone = respond, seconds, gone

    async def wait(self) -> None:
        with suppress(TimeoutError, reader.StreamsClosed):
            await reader.wait_for_end(self.run.pk, seconds=self._seconds, new_since=self.run.new_since)

    def answer(self) -> HttpResponse:
        """The final response, with this one's headers. A run that was deleted meanwhile is not found.

        Unless a deleted run has an answer of its own, ``gone``.
        """
        body, headers, status = self._answer()
        content = encode(body).encode()
        response = HttpResponse(content, status=status, headers={**self.headers, **headers})
        response.headers["Content-Type"] = "application/json"
        response.headers["Content-Length"] = str(len(content))
        response.cookies = self.cookies
        return response

    def _answer(self) -> tuple[Any, dict[str, str], int]:
        run = Run.objects.reread(self.run.pk)
        if run is not None:
            return *self._respond(run), 200
        if self._gone is not None:
            return *self._gone, 200
        return {"detail": str(RunNotFound(self.run.pk).detail)}, {}, 404


def waiting(view: Callable[..., Any]) -> Any:
    """A view whose responses stream or wait: it is synchronous, what comes after is not.

    A handler that knows AnswerWhenEnded takes the view from ``synchronous`` and waits itself. Under Django's
    own handlers the view is asynchronous and waits, and the request's database connection is closed first:
    a stream may last for hours.
    """

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
    # Not in one transaction with ATOMIC_REQUESTS: workers must see the run that is waited for.
    return non_atomic_requests(waiting_view)


class WaitingViewSet(ApiViewSet):
    """A viewset with actions that stream or wait."""

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        final = super().finalize_response(request, response, *args, **kwargs)
        # What a HEAD asks for is there at once; a body that nobody sees would keep its connection busy.
        return HttpResponse(headers=final.headers) if request.method == "HEAD" and final.streaming else final

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        return waiting(super().as_view(actions, **initkwargs))
