"""One attempt of one run: the graph is streamed, its events go to the log, its end to the run's row."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel

from runs.config import CHECKPOINT_KEYS, context, graph_input, run_config
from runs.events.writer import EventWriter, Row
from runs.models import Run
from runs.stream_modes import Translator, graph_modes
from runs.usage import UsageCallback
from threads.encoding import encode, encode_for_jsonb
from threads.models import Thread
from threads.state import Outcome

logger = logging.getLogger(__name__)


class Execution:
    """One attempt of a claimed run. ``seq`` numbers the log's latest event; a new attempt counts on."""

    graph: Pregel

    def __init__(self, run: Run, events: EventWriter) -> None:
        self.run, self.events, self.seq = run, events, run.seq
        self.usage = UsageCallback()
        self.config = run_config(run, self.usage)
        self._latest = RunnableConfig(configurable={"thread_id": str(run.thread_id), "checkpoint_ns": ""})
        self._values: Any = None
        self._interrupted = False

    async def execute(
        self, build: Callable[[RunnableConfig], Awaitable[Pregel]]
    ) -> tuple[Run.Status, Outcome]:
        """Run the graph to its end or to an interrupt. The events are logged, and committed, on return.

        A graph that raises, or cannot be built, is an outcome; only cancellation passes through.
        """
        await self._log("metadata", self._metadata())
        try:
            self.graph = await build(self.config)
            await self._stream()
            result = Run.Status.SUCCESS, await self._outcome()
        except Exception as exc:  # whatever a graph raises
            logger.warning("Run %s failed: %s", self.run.pk, exc, exc_info=exc, extra=self._log_fields())
            error = {"error": type(exc).__name__, "message": str(exc)}
            result = Run.Status.ERROR, self._failure(error)
        await self.events.flush()
        return result

    async def _stream(self) -> None:
        requested = self.run.kwargs["stream_mode"]
        translator = Translator(requested, self.graph)
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
        async with aclosing(chunks(await self._input(), self.config, **options)) as stream:
            async for *namespace, mode, chunk in stream:
                # With subgraphs the namespace comes first, a tuple that is empty for the root.
                path: Any = namespace[0] if namespace else ()
                if mode == "values" and not path:
                    self._note_values(chunk)
                for name, data in translator.events(path, mode, chunk):
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
        await self.events.append(Row(self.run.pk, self.run.attempt, self.seq, event, encode(data)))

    async def _input(self) -> Any:
        """The run's input; None, which goes on from the last checkpoint, if an earlier attempt made one."""
        if self.run.attempt > 1:
            snapshot = await self.graph.aget_state(self._latest)
            if (snapshot.metadata or {}).get("run_id") == str(self.run.pk):
                for key in CHECKPOINT_KEYS:
                    self.config["configurable"].pop(key, None)
                return None
        return graph_input(self.run)

    def _note_values(self, chunk: Any) -> None:
        if isinstance(chunk, dict) and "__interrupt__" in chunk:
            self._interrupted = True
            chunk = {key: value for key, value in chunk.items() if key != "__interrupt__"}
        self._values = chunk

    async def _outcome(self) -> Outcome:
        if not (self._interrupted or self._may_have_paused()) and self._values is not None:
            return Outcome(thread_status=Thread.Status.IDLE, values=encode_for_jsonb(self._values))
        # Only a checkpoint knows the tasks that wait, and whether a breakpoint was the end.
        snapshot = await self.graph.aget_state(self._latest)
        return Outcome.of(snapshot, self.graph)

    async def stopped(self) -> tuple[Run.Status, Outcome]:
        """What is left when the run was cancelled: the state it had reached."""
        await self.events.flush()
        error = {"error": "UserInterrupt", "message": "User interrupted the run"}
        return Run.Status.INTERRUPTED, self._failure(error, Thread.Status.INTERRUPTED)

    def _failure(self, error: dict[str, str], status: Thread.Status = Thread.Status.ERROR) -> Outcome:
        return Outcome(
            thread_status=status,
            values=None if self._values is None else encode_for_jsonb(self._values),
            error=encode_for_jsonb(error),
        )

    def _may_have_paused(self) -> bool:
        breakpoints = (
            self.run.kwargs.get("interrupt_before"),
            self.run.kwargs.get("interrupt_after"),
            self.graph.interrupt_before_nodes,
            self.graph.interrupt_after_nodes,
        )
        return any(breakpoints)

    def _metadata(self) -> dict[str, Any]:
        return {
            "run_id": str(self.run.pk),
            "attempt": self.run.attempt,
            "thread_id": str(self.run.thread_id),
        }

    def _log_fields(self) -> dict[str, str]:
        return {"run_id": str(self.run.pk), "thread_id": str(self.run.thread_id)}
