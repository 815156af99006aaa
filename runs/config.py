"""What a run is executed with: from the client's wishes and what the server knows, to LangGraph's terms."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers import LangChainTracer
from langgraph.pregel import Pregel

from runs import graph_user
from runs.models import Run
from threads import messages
from threads.supersteps import as_command

# What a client's config may set beside `configurable`. LangChain would move any other key into
# `configurable`, and there `thread_id` names whose state is read and written.
CONFIG_KEYS = ("tags", "recursion_limit", "max_concurrency", "run_name")

# The keys of `configurable` that say where a run begins. They come from `checkpoint` alone.
CHECKPOINT_KEYS = ("checkpoint_ns", "checkpoint_id", "checkpoint_map")


def run_config(run: Run, *callbacks: Any) -> RunnableConfig:
    """The config a run is executed with.

    Where client and server both name a key, the server's value holds: a client cannot point a run at another
    thread, or be another user. Until ``introduce_user`` there is none. A context counts as ``configurable``
    too, for graphs that read it there.
    """
    wished = run.kwargs.get("config") or {}
    identity = {
        "run_id": str(run.pk),
        "thread_id": str(run.thread_id),
        "graph_id": run.assistant.graph_id,
        "assistant_id": str(run.assistant_id),
    }
    configurable = {
        **run.assistant.config.get("configurable", {}),
        **run.assistant.context,
        **without_internals(run.kwargs.get("context")),
        **client_configurable(run),
    }
    config = {
        **run.assistant.config,
        **{key: wished[key] for key in CONFIG_KEYS if wished.get(key) is not None},
        "run_id": run.pk,
        "configurable": {**configurable, **_checkpoint(run), **identity, **graph_user.NOBODY},
        "metadata": {
            **_own(wished.get("metadata")),
            **_own(run.metadata),
            **identity,
            "run_attempt": run.attempt,
        },
        "callbacks": [*callbacks, *_tracer(run)],
    }
    return RunnableConfig(**config)  # type: ignore[typeddict-item]


async def introduce_user(run: Run, config: RunnableConfig) -> None:
    """Put into the config who asked for the run. Raises whatever the project's own function raises."""
    if run.user_id is not None:
        told = await sync_to_async(_told)(run.user_id)
        config["configurable"] |= told
        config["metadata"]["langgraph_auth_user_id"] = told["langgraph_auth_user_id"]


def _told(user_id: Any) -> dict[str, Any]:
    return graph_user.configurable(get_user_model()._base_manager.filter(pk=user_id).first())


def _own(metadata: dict[str, Any] | None) -> dict[str, Any]:
    """Metadata that do not say who asked: checkpoints keep theirs, and it is not the client's to say."""
    return {k: v for k, v in (metadata or {}).items() if not k.startswith(graph_user.PREFIX)}


def _tracer(run: Run) -> list[LangChainTracer]:
    """The tracer the client asked for. LangChain adds its own only where there is none."""
    wished = run.kwargs.get("langsmith_tracer")
    return [LangChainTracer(**wished)] if wished else []


def client_configurable(run: Run) -> dict[str, Any]:
    return without_internals((run.kwargs.get("config") or {}).get("configurable"))


def without_internals(values: dict[str, Any] | None) -> dict[str, Any]:
    """A client's values without the keys that LangGraph and this server keep in ``configurable``.

    A graph that has this server's graph for a node sends its own internals along (``__pregel_…``).
    """
    return {
        key: value
        for key, value in (values or {}).items()
        if not key.startswith(("__", graph_user.PREFIX)) and key not in CHECKPOINT_KEYS
    }


def context(run: Run, graph: Pregel) -> dict[str, Any] | None:
    """The run's context: as given, else what of ``configurable`` the graph's context schema names."""
    given = {**run.assistant.context, **(run.kwargs.get("context") or {})}
    if given or graph.context_schema is None:
        return given or None
    named = (graph.get_context_jsonschema() or {}).get("properties", {})
    return {key: value for key, value in client_configurable(run).items() if key in named} or None


def graph_input(run: Run) -> Any:
    """The command, if there is one, else the input with its messages converted."""
    command = run.kwargs.get("command")
    return messages.convert(run.kwargs.get("input")) if command is None else as_command(command)


def _checkpoint(run: Run) -> dict[str, Any]:
    """Where the run begins: at the checkpoint it names, else at the thread's latest."""
    checkpoint = run.kwargs.get("checkpoint") or {}
    return {key: checkpoint[key] for key in CHECKPOINT_KEYS if checkpoint.get(key)}
