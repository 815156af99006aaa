"""One attempt of one run: the graph is streamed, its events go to the log, its end to the run's row."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained
from langgraph.pregel import Pregel
from langgraph.types import StateSnapshot

from runs.checkpoints import heed, owner
from runs.conf import conf
from runs.config import CHECKPOINT_KEYS, context, graph_input, introduce_user, run_config
from runs.events.writer import EventWriter, Row
from runs.exceptions import EventTooLarge, HandedBack, RunLost
from runs.lease import Lease, LeasedControl
from runs.models import Run
from runs.stream_modes import Translator, graph_modes
from runs.usage import UsageCallback
from threads.encoding import encode, encode_for_jsonb
from threads.models import Thread
from threads.state import Outcome

logger = logging.getLogger(__name__)

End = tuple[Run.Status, Outcome]
TIMEOUT = Run.Status.TIMEOUT

CANCELLED = {"error": "UserInterrupt", "message": "User interrupted the run"}
STOPPED = {"error": "UserStop", "message": "User stopped the run"}

# In place of an input: there is nothing to do.
PAUSED = object()


class Execution:
    """One attempt of a claimed run. ``seq`` numbers the log's latest event; a new attempt counts on.

    ``lease`` says how long this process may count as alive for others: once it is over no node is begun.
    """

    graph: Pregel

    def __init__(self, run: Run, events: EventWriter, lease: Lease) -> None:
        self.run, self.events, self.seq = run, events, run.seq
        self.usage = UsageCallback()
        self.config = run_config(run, self.usage)
        self.stopping: Run.CancelAction | None = None
        self._control = LeasedControl(lease)
        self._task: asyncio.Task[End] | None = None
        self._latest = RunnableConfig(configurable={"thread_id": str(run.thread_id), "checkpoint_ns": ""})
        self._values: Any = None
        self._interrupted = False

    async def execute(self, build: Callable[[RunnableConfig], Awaitable[Pregel]]) -> End:
        """Run the graph to its end, an interrupt or a limit. The events are logged, and committed, on return.

        A graph that raises, or cannot be built, is an outcome. Raises HandedBack when it was drained for
        others to go on, RunLost when others already have, CancelledError when this is cancelled.
        """
        if self.run.lost >= conf.SKEINO_MAX_ATTEMPTS:
            return self._failed("WorkerLost", f"{self.run.lost} workers were lost with this run.")
        if self.run.cancel_action or self.stopping:
            return self._stopped()
        limit = self._time_limit()
        self._task = asyncio.create_task(self._attempt(build), name=f"run {self.run.pk}")
        try:
            await asyncio.wait([self._task], timeout=limit)
            end = await self._ended(self._task, limit)
        finally:
            await self._give_up(self._task)
        await self.events.flush()
        return end

    def stop(self, action: Run.CancelAction) -> None:
        """End the run as a cancelled one: drained at the end of its step, else now."""
        self.stopping = action
        self._control.request_drain(action)  # synchronous nodes cannot be cancelled, but may look
        if action != Run.CancelAction.DRAIN and self._task is not None:
            self._task.cancel()

    def _heed(self, action: str) -> None:
        """What was asked of the run when a checkpoint was written. What cannot wait comes by itself."""
        if action == Run.CancelAction.DRAIN and self.stopping is None:
            self.stop(Run.CancelAction.DRAIN)

    def drain(self) -> None:
        """Stop at the end of the current step, for others to go on."""
        self._control.request_drain()

    async def _ended(self, task: asyncio.Task[End], limit: float | None) -> End:
        if not task.done():
            return self._failed("TimeoutError", f"The run took longer than {limit:g} seconds.", TIMEOUT)
        if task.cancelled():
            cancelled = self._failed("CancelledError", "The graph cancelled its own run.")
            return self._stopped() if self.stopping else cancelled
        try:
            status, outcome = await task
        except GraphDrained as exc:
            if self.stopping:
                return await self._drained()
            raise HandedBack from exc
        if status == Run.Status.ERROR and self.stopping:  # what nodes raise when they are cancelled
            return self._stopped()
        if status == Run.Status.SUCCESS and self.stopping == Run.CancelAction.DRAIN:  # in its last step
            return await self._drained()
        return status, outcome

    async def _give_up(self, task: asyncio.Task[End]) -> None:
        """Cancel what still runs. A node that will not have it is left alone: nothing it does counts."""
        task.cancel()
        _, pending = await asyncio.wait([task], timeout=conf.SKEINO_CANCEL_SECONDS)
        if pending:
            logger.error("Run %s does not let itself be cancelled.", self.run.pk, extra=self._log_fields())

    async def _attempt(self, build: Callable[[RunnableConfig], Awaitable[Pregel]]) -> End:
        owner.set((self.run.pk, self.run.attempt))
        heed.set(self._heed)
        await self._log("metadata", self._metadata())
        try:
            await introduce_user(self.run, self.config)
            self.graph = await build(self.config)
            graph_input = await self._input()
            if graph_input is not PAUSED:
                await self._stream(graph_input)
            return Run.Status.SUCCESS, await self._outcome()
        except (RunLost, GraphDrained):
            raise
        except Exception as exc:  # whatever a graph raises
            logger.warning("Run %s failed: %s", self.run.pk, exc, exc_info=exc, extra=self._log_fields())
            return self._failed(type(exc).__name__, str(exc))

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
                    self._note_values(chunk)
                for name, data in translator.events(path, mode, chunk):
                    await self._log(name, data)
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

    async def _log(self, event: str, data: Any) -> None:
        self.seq += 1
        text = encode(data)
        if len(text) > conf.SKEINO_MAX_EVENT_BYTES:
            raise EventTooLarge(event, len(text), conf.SKEINO_MAX_EVENT_BYTES)
        await self.events.append(Row(self.run.pk, self.run.attempt, self.seq, event, text))

    async def _input(self) -> Any:
        """The run's input; None, which goes on from the last checkpoint, if an earlier attempt made one.

        PAUSED if that is where the run was to stop: to go on from there would be to pass the breakpoint.
        """
        if self.run.attempt > 1:
            snapshot = await self.graph.aget_state(self._latest)
            if (snapshot.metadata or {}).get("run_id") == str(self.run.pk):
                for key in CHECKPOINT_KEYS:
                    self.config["configurable"].pop(key, None)
                return PAUSED if await self._is_paused(snapshot) else None
        return graph_input(self.run)

    async def _is_paused(self, snapshot: StateSnapshot) -> bool:
        """Whether a breakpoint stands between the checkpoint and its next nodes."""
        before, after = self._breakpoints()
        if not snapshot.next or not (before or after):
            return False
        done: set[str] = set()
        if after and snapshot.parent_config:
            done = set((await self.graph.aget_state(snapshot.parent_config)).next)
        return _hits(before, set(snapshot.next)) or _hits(after, done)

    def _note_values(self, chunk: Any) -> None:
        if isinstance(chunk, dict) and "__interrupt__" in chunk:
            self._interrupted = True
            chunk = {key: value for key, value in chunk.items() if key != "__interrupt__"}
        self._values = chunk

    async def _outcome(self, *, paused: bool = False) -> Outcome:
        paused = paused or self._interrupted or any(self._breakpoints())
        if not paused and self._values is not None:
            return Outcome(thread_status=Thread.Status.IDLE, values=encode_for_jsonb(self._values))
        # Only a checkpoint knows the tasks that wait, and whether a breakpoint was the end.
        snapshot = await self.graph.aget_state(self._latest)
        return Outcome.of(snapshot, self.graph)

    async def _drained(self) -> End:
        """The state that the current step has left."""
        outcome = await self._outcome(paused=True)
        return Run.Status.INTERRUPTED, replace(outcome, error=encode_for_jsonb(STOPPED))

    def _stopped(self) -> End:
        """What is left when the run was cancelled: the state it had reached."""
        return Run.Status.INTERRUPTED, self._left(CANCELLED, Thread.Status.INTERRUPTED)

    def _failed(self, error: str, message: str, status: Run.Status = Run.Status.ERROR) -> End:
        return status, self._left({"error": error, "message": message}, Thread.Status.ERROR)

    def _left(self, error: dict[str, str], status: Thread.Status) -> Outcome:
        return Outcome(
            thread_status=status,
            values=None if self._values is None else encode_for_jsonb(self._values),
            error=encode_for_jsonb(error),
        )

    def _breakpoints(self) -> tuple[Any, Any]:
        """Before and after which nodes to stop: the run's own, else the graph's. A list or ``"*"``."""
        before, after = self.run.kwargs.get("interrupt_before"), self.run.kwargs.get("interrupt_after")
        return before or self.graph.interrupt_before_nodes, after or self.graph.interrupt_after_nodes

    def _time_limit(self) -> float | None:
        limits = (self.run.kwargs.get("timeout_seconds"), conf.SKEINO_RUN_TIMEOUT_SECONDS)
        return min((limit for limit in limits if limit), default=None)

    def _metadata(self) -> dict[str, Any]:
        return {
            "run_id": str(self.run.pk),
            "attempt": self.run.attempt,
            "thread_id": str(self.run.thread_id),
        }

    def _log_fields(self) -> dict[str, str]:
        return {"run_id": str(self.run.pk), "thread_id": str(self.run.thread_id)}


def _hits(breakpoints: Any, nodes: set[str]) -> bool:
    return bool(nodes) if breakpoints == "*" else not nodes.isdisjoint(breakpoints)
