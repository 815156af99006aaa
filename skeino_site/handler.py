"""Django's ASGI handler with one hop between the event loop and a thread per request.

Django's own handler makes a thread for each request, and takes a hop into it for every middleware's half, the
view, the rendering and the signals: some twenty hops, and no database connection outlives the request. Here,
a few lasting threads run a request's whole synchronous part, each on its own lasting connection; what streams
or waits goes on on the event loop, holding neither. The decision is told in docs/decisions/0003.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import SEEK_END
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from runs.connections import drop_dead
from runs.events.reader import StreamsClosed
from runs.streaming import AnswerWhenEnded, RunResponse
from skeino_site.conf import conf

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# Asked by those who watch the server, who shall not wait behind its requests. None needs a connection of
# the thread that it is served in.
PROBES = frozenset({"/live", "/metrics", "/ok", "/ready"})
PROBE_THREADS = 4
# They change nothing, and one request thread in four is left to them: a page is not to wait for the hundred
# runs that somebody has begun at once.
READING = frozenset({"GET", "HEAD", "OPTIONS"})


class ThreadedASGIHandler(ASGIHandler):
    """Serves HTTP with synchronous middleware and views in ``SKEINO_WEB_THREADS`` threads."""

    def __init__(self) -> None:
        super(ASGIHandler, self).__init__()
        self.load_middleware(is_async=False)
        self._threads = ThreadPoolExecutor(conf.SKEINO_WEB_THREADS, "request")
        self._probe_threads = ThreadPoolExecutor(PROBE_THREADS, "probe")
        self._writing = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            response = await self._response(scope, body)
            if response.streaming:
                if isinstance(response, RunResponse):
                    response.in_thread = self._in_thread
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        return super().make_view_atomic(getattr(view, "synchronous", view))

    async def _response(self, scope: Any, body: Any) -> HttpResponseBase:
        if scope["path"] in PROBES:
            return await _run_in(self._probe_threads, self._respond, scope, body)
        if scope["method"] in READING:
            return await self._in_thread(self._respond, scope, body)
        async with self._turn_to_write():
            return await self._in_thread(self._respond, scope, body)

    def _turn_to_write(self) -> asyncio.Semaphore:
        """Of this event loop: to those of another it means nothing."""
        loop, count = asyncio.get_running_loop(), conf.SKEINO_WEB_THREADS
        return self._writing.setdefault(loop, asyncio.Semaphore(count - count // 4))

    def _respond(self, scope: Any, body: Any) -> HttpResponseBase:
        """The request's synchronous part. A response that does not stream is finished with it."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        response: HttpResponseBase = self.get_response(request) if request else refusal
        if not response.streaming:
            response.close()
        return response

    def create_request(self, scope: Any, body_file: Any) -> Any:
        request, refusal = super().create_request(scope, body_file)
        if request is not None and not request.META.get("CONTENT_LENGTH"):
            # A chunked body has no length, and REST framework takes that for no body.
            request.META["CONTENT_LENGTH"] = str(body_file.seek(0, SEEK_END))
            body_file.seek(0)
        return request, refusal

    async def _stream(self, response: HttpResponseBase, receive: Any, send: Any) -> None:
        try:
            left = await self._until_disconnect(self._send_at_leisure(response, send), receive)
            if left and isinstance(response, RunResponse):
                await self._in_thread(response.on_disconnect)
        except StreamsClosed:
            # Not completed, so that the server breaks the connection: a client whose stream ends in order
            # looks at its run, and would miss the last events of one that has just ended.
            logger.info("A stream was broken off, to be joined again elsewhere.")
        finally:
            await self._in_thread(response.close)

    async def _send_at_leisure(self, response: HttpResponseBase, send: Any) -> None:
        if isinstance(response, AnswerWhenEnded):
            await response.wait()
            response = await self._in_thread(response.answer)
        await self.send_response(response, send)

    async def _until_disconnect(self, sending: Awaitable[None], receive: Any) -> bool:
        """Send until the end, or until the client leaves: then True. Errors in sending are raised."""
        tasks = [asyncio.ensure_future(sending), asyncio.create_task(receive())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(results[0], Exception):
            raise results[0]
        return isinstance(results[0], asyncio.CancelledError)

    async def _in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """On the thread's own connection, if that still lives: a run that is waited for may outlive it."""

        def called() -> T:
            drop_dead()
            return call(*args, **kwargs)

        return await _run_in(self._threads, called)


async def _run_in(threads: ThreadPoolExecutor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """In a context of its own, so that what a request activates, a language say, ends with it."""
    work = partial(contextvars.copy_context().run, call, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(threads, work)
