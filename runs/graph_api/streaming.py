"""A run's chunks on their way out, and the answer to who waits for its end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

from django.conf import settings

from runs.conf import conf
from runs.events import reader
from runs.exceptions import RunNotFound
from runs.graph_api.envelopes import failure, success
from runs.graph_api.messages import conversation
from runs.models import Run
from runs.streaming import EVENT_STREAM_HEADERS, AnswerWhenEnded, RunResponse, path_of
from threads import state
from threads.encoding import encode

logger = logging.getLogger(__name__)

FAILED = (Run.Status.ERROR, Run.Status.TIMEOUT)

# The last chunk of a run is none of them, and made here: it must not come before the run's status.
MADE_BY_WORKER = {"message_start", "message_chunk", "message_end", "tool_call", "tool_result", "interrupt"}


class ChunkStream(RunResponse):
    """The run's chunks from its first: as server-sent events, or as one JSON document in each line.

    Where nothing is to be said for a while, a comment or a blank is sent. A blank before a document is part
    of its line, so no reader of lines meets an empty one.
    """

    def __init__(self, run: Run, *, lines: bool) -> None:
        self._before, self._after, self._heartbeat = (
            (b"", b"\n", b" ") if lines else (b"data: ", b"\n\n", b": heartbeat\n\n")
        )
        super().__init__(
            run,
            self._body(),
            content_type="application/x-ndjson" if lines else "text/event-stream",
            headers={**EVENT_STREAM_HEADERS, "Content-Location": path_of(run)},
        )

    async def _body(self) -> AsyncIterator[bytes]:
        waits = False
        silence = conf.SKEINO_STREAM_HEARTBEAT_SECONDS
        async for events in reader.follow(self.run.pk, silence=silence, new_since=self.run.new_since):
            waits = waits or any(event.event == "interrupt" for event in events)
            chunks = [self._framed(event.data) for event in events if event.event in MADE_BY_WORKER]
            if chunks or not events:
                yield b"".join(chunks) or self._heartbeat
        last = await self.in_thread(lambda: last_chunk(self.run, waits=waits))
        if last is not None:
            yield self._framed(encode(last))

    def _framed(self, chunk: str) -> bytes:
        return self._before + chunk.encode() + self._after


def last_chunk(run: Run, *, waits: bool) -> dict[str, Any] | None:
    """``done`` or ``error``; None if the run goes on, and only this process ends.

    ``waits``: whether the graph does, for a person.
    """
    stamp = {"run_id": str(run.pk), "thread_id": thread_id_of(run)}
    ended = Run.objects.filter(pk=run.pk).only("status", "error", "usage").first()
    if ended is None:  # deleted
        return {"type": "done", "status": "stopped", "usage": None, **stamp}
    if not ended.is_finished:
        return None
    if ended.status in FAILED:
        code, message = failure_of(ended)
        return {"type": "error", "code": code, "message": message, **stamp}
    return {"type": "done", "status": outcome_of(ended, waits=waits), "usage": ended.usage, **stamp}


class ConversationResponse(AnswerWhenEnded):
    """The conversation that a run has led to, as soon as it has ended."""

    def __init__(self, run: Run, request_id: str) -> None:
        super().__init__(run, lambda run: (None, {}))
        self._request_id = request_id
        self.headers["Content-Location"] = path_of(run)

    def _answer(self) -> tuple[Any, dict[str, str], int]:
        threads = Run.objects.select_related("thread").defer("thread__values", "thread__interrupts")
        run = threads.filter(pk=self.run.pk).first()
        if run is None:
            return self._failed(404, "RUN_NOT_FOUND", str(RunNotFound(self.run.pk).detail))
        if not run.is_finished:
            return self._failed(503, "STOPPING", f"The server is stopping; run {run.pk} goes on elsewhere.")
        if run.status in FAILED:
            logger.warning("Request %s: run %s failed.", self._request_id, run.pk)
            return self._failed(500, *failure_of(run))
        return success(self._request_id, result_of(run)), {}, 200

    def _failed(self, status: int, code: str, message: str) -> tuple[Any, dict[str, str], int]:
        return failure(self._request_id, code, message), {}, status


def result_of(run: Run) -> dict[str, Any]:
    """What a run that did not fail has led to, though others may have gone on from there."""
    found = state.left_by(run.thread, run.pk, run.assistant.graph_id)
    messages, rest = conversation(found["values"])
    status = outcome_of(run, waits=bool(found["next"]))
    return {
        "messages": messages,
        "state": rest,
        "thread_id": thread_id_of(run),
        "run_id": str(run.pk),
        "status": status,
        **({"interrupts": found["interrupts"]} if status == "interrupted" else {}),
    }


def outcome_of(run: Run, *, waits: bool) -> str:
    if run.status == Run.Status.INTERRUPTED:
        return "stopped"
    return "interrupted" if waits else "completed"


def failure_of(run: Run) -> tuple[str, str]:
    """Code and sentence for a run that failed. What the graph itself says is for developers."""
    error = run.error or {}
    is_recursion = error.get("error") == "GraphRecursionError"
    code = "GRAPH_RECURSION" if is_recursion else "GRAPH_ERROR"
    if settings.DEBUG:
        return code, f"{error.get('error')}: {error.get('message')} (run {run.pk})"
    reason = "took more steps than its recursion limit allows" if is_recursion else "failed"
    return code, f"The graph {reason} (run {run.pk})."


def thread_id_of(run: Run) -> str:
    """The thread as the client calls it."""
    return str(run.kwargs["config"]["configurable"]["thread_id"])
