"""One attempt of one run: the graph is streamed, its events go to the log, its end to the run's row."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

from django.conf import settings
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained
from langgraph.pregel import Pregel

from runs import beginnings
from runs.beginnings import PAUSED, breakpoints
from runs.checkpoints import Owner, owner
from runs.conf import conf
from runs.config import context, introduce_user, run_config
from runs.events.writer import EventWriter, Row
from runs.exceptions import EventTooLarge, HandedBack, RunLost
from runs.latest_values import LatestValues
from runs.lease import Lease, LeasedControl
from runs.models import CANCELLED, Run
from runs.stream_modes import Translator, graph_modes
from runs.usage import UsageCallback
from threads.encoding import encode, encode_for_jsonb
from threads.models import Thread
from threads.state import Outcome

logger = logging.getLogger(__name__)

End = tuple[Run.Status, Outcome | None]
TIMEOUT = Run.Status.TIMEOUT

# Characters, of its end.
MAX_TRACEBACK = 20_000
STOPPED = {"error": "UserStop", "message": "User stopped the run"}


class Execution:
    """One attempt of a claimed run. ``seq`` numbers the log's latest event; a new attempt counts on.

    ``lease`` says how long this process may count as alive for others: once it is over no node is begun.
    ``is_followed``: somebody may wait for the events.
    """

    graph: Pregel

    def __init__(self, run: Run, events: EventWriter, lease: Lease, *, is_followed: bool = True) -> None:
        self.run, self.events, self.seq = run, events, run.seq
        self._is_followed, self._max_event_bytes = is_followed, conf.SKEINO_MAX_EVENT_BYTES
        self.unwritten: list[Row] = []  # the log's latest events, which are to be written with the end
        self.usage = UsageCallback()
        self.traceback = ""  # of what the graph has raised
        self.stopping: Run.CancelAction | None = None
        self._control = LeasedControl(lease)
        self._halted = asyncio.Event()  # not to be waited for any longer
        self._is_lost = self._is_closed = False
        self._latest = RunnableConfig(configurable={"thread_id": str(run.thread_id), "checkpoint_ns": ""})
        self._values = LatestValues()

    async def execute(self, build: Callable[[RunnableConfig], Awaitable[Pregel]]) -> End:
        """Run the graph to its end, an interrupt or a limit. Its events are committed, or ``unwritten``.

        A graph that raises, or cannot be built, is an outcome; None is that the run has left nothing. Raises
        HandedBack when it was drained for others to go on, RunLost when others already have, CancelledError
        when this is cancelled.
        """
        if self.run.lost >= conf.SKEINO_MAX_ATTEMPTS:
            return self._failed("WorkerLost", f"{self.run.lost} workers were lost with this run.")
        if self.run.cancel_action or self.stopping:
            return await self._stopped_before(build)
        task = asyncio.create_task(self._attempt(build), name=f"run {self.run.pk}")
        limit = self._time_limit()
        try:
            in_time = await self._wait(task, limit)
        finally:
            await self._give_up(task)
        if in_time:
            end = await self._ended(task)
        else:
            end = self._failed("TimeoutError", f"The run took longer than {limit:g} seconds.", TIMEOUT)
        self.unwritten = await self.events.take(self.run.pk)
        return end

    def stop(self, action: Run.CancelAction) -> None:
        """End the run as a cancelled one: drained at the end of its step, else now."""
        self.stopping = action
        self._control.request_drain(action)  # synchronous nodes cannot be cancelled, but may look
        if action != Run.CancelAction.DRAIN:
            self._halted.set()

    def _heed(self, action: str) -> None:
        """What was asked of the run when a checkpoint was written. What cannot wait comes by itself."""
        if action == Run.CancelAction.DRAIN and self.stopping is None:
            self.stop(Run.CancelAction.DRAIN)

    def drain(self) -> None:
        """Stop at the end of the current step, for others to go on."""
        self._control.request_drain()

    def lose(self) -> None:
        """The run is not this attempt's any more: stop, and leave everything as it is."""
        self._is_lost = True
        self._control.request_drain("lost")
        self._halted.set()

    def failed(self, exc: Exception) -> End:
        """The run's end if its result cannot be kept."""
        self._values = LatestValues()
        return self._raised(exc)

    async def _wait(self, task: asyncio.Task[End], limit: float | None) -> bool:
        """Until the run has ended or is to be halted. False if that took too long."""
        halted = asyncio.create_task(self._halted.wait())
        try:
            ended = await asyncio.wait([task, halted], timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            return bool(ended[0])
        finally:
            halted.cancel()

    async def _ended(self, task: asyncio.Task[End]) -> End:
        if self._is_lost:
            raise RunLost(self.run.pk)
        if not task.done() or task.cancelled():
            cancelled = self._failed("CancelledError", "The graph cancelled its own run.")
            return await self._stopped() if self._halted.is_set() else cancelled
        try:
            status, outcome = await task
        except GraphDrained as exc:
            if self._halted.is_set():
                return await self._stopped()
            if self.stopping:
                return await self._drained()
            raise HandedBack from exc
        if status == Run.Status.ERROR and self._halted.is_set():  # what nodes raise when they are cancelled
            return await self._stopped()
        if status == Run.Status.SUCCESS and self.stopping == Run.CancelAction.DRAIN:  # in its last step
            return await self._drained()
        return status, outcome

    async def _give_up(self, task: asyncio.Task[End]) -> None:
        """Cancel what still runs. A node that will not have it is left alone: nothing it does counts."""
        task.cancel()
        _, pending = await asyncio.wait([task], timeout=conf.SKEINO_CANCEL_SECONDS)
        self._is_closed = True
        if task.done() and not task.cancelled():
            task.exception()  # has been seen
        if pending:
            logger.error("Run %s does not let itself be cancelled.", self.run.pk, extra=self._log_fields())

    async def _attempt(self, build: Callable[[RunnableConfig], Awaitable[Pregel]]) -> End:
        blank = None if self.run.has_checkpoints else str(self.run.thread_id)
        owner.set(Owner(self.run.pk, self.run.attempt, self._heed, self.lose, blank))
        await self._log("metadata", self._metadata())
        try:
            await self._build(build)
            graph_input = await beginnings.graph_input(self.run, self.graph, self.config)
            if graph_input is not PAUSED:
                await self._stream(graph_input)
            return Run.Status.SUCCESS, await self._outcome()
        except (RunLost, GraphDrained):
            raise
        except Exception as exc:  # whatever a graph raises
            self._log_exception("Run %s failed", exc)
            return self._raised(exc)

    async def _build(self, build: Callable[[RunnableConfig], Awaitable[Pregel]]) -> None:
        self.config = run_config(self.run, self.usage)
        await introduce_user(self.run, self.config)
        self.graph = await build(self.config)

    async def _stream(self, graph_input: Any) -> None:
        requested = self.run.kwargs["stream_mode"]
        translator = Translator(self.run, self.graph)
        options = {
            "context": context(self.run, self.graph),
            "stream_mode": graph_modes(requested),
            "output_keys": self.graph.output_channels,
            "interrupt_before": self.run.kwargs.get("interrupt_before"),
            "interrupt_after": self.run.kwargs.get("interrupt_after"),
            "durability": self.run.kwargs.get("durability") or "async",
            "subgraphs": bool(self.run.kwargs.get("subgraphs")),
        }
        chunks: Any = self._chunks_and_events if "events" in requested else self.graph.astream
        async with aclosing(chunks(graph_input, self.config, control=self._control, **options)) as stream:
            async for *namespace, mode, chunk in stream:
                # With subgraphs the namespace comes first, a tuple that is empty for the root.
                path: Any = namespace[0] if namespace else ()
                if mode == "values" and not path:
                    self._values.take(chunk)
                for name, data in translator.events(path, mode, chunk):
                    self._values.note_encoded(data, await self._log(name, data))
        for name, data in translator.last_events():
            await self._log(name, data)

    async def _chunks_and_events(
        self, graph_input: Any, config: RunnableConfig, **options: Any
    ) -> AsyncIterator[Any]:
        """What ``astream`` yields, and between it, as mode ``events``, what happens inside the graph."""
        events = self.graph.astream_events(graph_input, config, version="v2", **options)
        async with aclosing(events) as stream:  # type: ignore[type-var]
            async for event in stream:
                if event["run_id"] == str(self.run.pk) and event["event"] == "on_chain_stream":
                    yield event["data"]["chunk"]
                else:
                    yield "events", event

    async def _log(self, event: str, data: Any) -> str:
        """Returns the data as it stands in the log."""
        if self._is_closed:
            raise RunLost(self.run.pk)
        text, limit = encode(data), self._max_event_bytes
        if 4 * len(text) > limit and (size := len(text.encode())) > limit:  # a character has up to four
            raise EventTooLarge(event, size, limit)
        self.seq += 1
        row = Row(self.run.pk, self.run.attempt, self.seq, event, text)
        # Nothing follows at once upon the first event that says anything, so the two go together.
        await self.events.append(row, soon=self._is_followed and event != "metadata")
        return text

    async def _outcome(self, *, paused: bool = False) -> Outcome:
        paused = paused or self._values.is_interrupted or any(breakpoints(self.run, self.graph))
        if not paused and (values := self._values.encoded()) is not None:
            return Outcome(thread_status=Thread.Status.IDLE, values=values)
        # Only a checkpoint knows the tasks that wait, and whether a breakpoint was the end.
        snapshot = await self.graph.aget_state(self._latest)
        return Outcome.of(snapshot, self.graph)

    async def _drained(self, error: dict[str, str] = STOPPED) -> End:
        """The state that the latest step has left."""
        try:
            outcome = replace(await self._outcome(paused=True), error=encode_for_jsonb(error))
        except Exception as exc:  # whatever a graph raises at a state that it does not expect
            self._log_exception("Run %s has left an odd state", exc)
            outcome = self._left(error, Thread.Status.INTERRUPTED)
        return Run.Status.INTERRUPTED, outcome

    async def _stopped(self) -> End:
        """What is left when the run was cancelled: the state it had reached."""
        if not hasattr(self, "graph"):
            return Run.Status.INTERRUPTED, None
        status, outcome = await self._drained(CANCELLED)
        return status, outcome and replace(outcome, thread_status=Thread.Status.INTERRUPTED)

    async def _stopped_before(self, build: Callable[[RunnableConfig], Awaitable[Pregel]]) -> End:
        """As ``_stopped``, when this attempt has not begun."""
        if self.run.attempt > 1:
            with suppress(Exception):  # whatever a factory raises
                await self._build(build)
        return await self._stopped()

    def _raised(self, exc: Exception) -> End:
        text = "".join(traceback.format_exception(exc))[-MAX_TRACEBACK:]
        self.traceback = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        return self._failed(type(exc).__name__, str(exc))

    def _failed(self, error: str, message: str, status: Run.Status = Run.Status.ERROR) -> End:
        return status, self._left({"error": error, "message": message}, Thread.Status.ERROR)

    def _left(self, error: dict[str, str], status: Thread.Status) -> Outcome:
        return Outcome(thread_status=status, values=self._values.encoded(), error=encode_for_jsonb(error))

    def _time_limit(self) -> float | None:
        limits = (self.run.kwargs.get("timeout_seconds"), conf.SKEINO_RUN_TIMEOUT_SECONDS)
        return min((limit for limit in limits if limit), default=None)

    def _metadata(self) -> dict[str, Any]:
        return {
            "run_id": str(self.run.pk),
            "attempt": self.run.attempt,
            "thread_id": str(self.run.thread_id),
        }

    def _log_exception(self, text: str, exc: Exception) -> None:
        """What it says may be what people wrote: but in development it is kept on the run alone."""
        where = "".join(traceback.format_tb(exc.__traceback__)).rstrip()
        shown = (str(exc), exc) if settings.DEBUG else (f"{type(exc).__name__}\n{where}", None)
        logger.warning(f"{text}: %s", self.run.pk, shown[0], exc_info=shown[1], extra=self._log_fields())

    def _log_fields(self) -> dict[str, str]:
        return {"run_id": str(self.run.pk), "thread_id": str(self.run.thread_id)}
