"""Where an attempt begins: with the run's input, or where an earlier one has arrived."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.constants import TAG_HIDDEN
from langgraph.pregel import Pregel
from langgraph.types import StateSnapshot

from runs import config as configs
from runs.models import Run

# In place of an input: there is nothing to do.
PAUSED = object()


async def graph_input(run: Run, graph: Pregel, config: RunnableConfig) -> Any:
    """The run's input; None, which goes on from the last checkpoint, if an earlier attempt has taken it in.

    Then the config names no checkpoint any more. PAUSED if that is where the run was to stop: to go on from
    there would be to pass the breakpoint.
    """
    saver: Any = graph.checkpointer
    if run.attempt == 1 or not await saver.has_begun(run.pk, run.thread_id):
        return configs.graph_input(run)
    latest = RunnableConfig(configurable={"thread_id": str(run.thread_id), "checkpoint_ns": ""})
    for key in configs.CHECKPOINT_KEYS:
        config["configurable"].pop(key, None)
    snapshot = await graph.aget_state(latest)
    return PAUSED if await _is_paused(run, graph, snapshot) else None


def breakpoints(run: Run, graph: Pregel) -> tuple[Any, Any]:
    """Before and after which nodes to stop: the run's own, else the graph's. A list or ``"*"``."""
    before, after = run.kwargs.get("interrupt_before"), run.kwargs.get("interrupt_after")
    return before or graph.interrupt_before_nodes, after or graph.interrupt_after_nodes


async def _is_paused(run: Run, graph: Pregel, snapshot: StateSnapshot) -> bool:
    """Whether a breakpoint stands between the checkpoint and its next nodes.

    Not where the run itself went on from: it passes the breakpoint that it finds there.
    """
    before, after = breakpoints(run, graph)
    metadata: Any = snapshot.metadata or {}
    source, is_own = metadata.get("source"), metadata.get("run_id") == str(run.pk)
    if not (snapshot.next and is_own and source in ("input", "loop")) or not (before or after):
        return False
    done: set[str] = set()
    if after and snapshot.parent_config and source == "loop":
        done = set((await graph.aget_state(snapshot.parent_config)).next)
    return _hits(before, set(snapshot.next), graph) or _hits(after, done, graph)


def _hits(found: Any, nodes: set[str], graph: Pregel) -> bool:
    """Whether there is a breakpoint at one of the nodes. All of them are all that people have made."""
    if found == "*":
        return any(TAG_HIDDEN not in (graph.nodes[node].tags or ()) for node in nodes)
    return not nodes.isdisjoint(found)
