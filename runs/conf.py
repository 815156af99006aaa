from __future__ import annotations

from typing import Annotated, Any, Literal

from django.conf import settings
from pydantic import Field, ImportString, PositiveFloat, PositiveInt

# A hundred years are enough.
Hours = Annotated[float, Field(gt=0, le=876_000)]
Days = Annotated[float, Field(gt=0, le=36_500)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings:
    """Shadows Django's settings: typed, with defaults, read on every access."""

    @property
    def SKEINO_WORKER_CONCURRENCY(self) -> PositiveInt:
        """How many runs one worker process executes at a time."""
        return getattr(settings, "SKEINO_WORKER_CONCURRENCY", 100)

    @property
    def SKEINO_WORKER_POOL_SIZE(self) -> PositiveInt:
        """How many database connections a worker process opens for its queue and its checkpoints."""
        return getattr(settings, "SKEINO_WORKER_POOL_SIZE", 10)

    @property
    def SKEINO_WORKER_NODE_THREADS(self) -> PositiveInt:
        """How many synchronous nodes and tools a worker process runs at a time."""
        return getattr(settings, "SKEINO_WORKER_NODE_THREADS", 32)

    @property
    def SKEINO_WORKER_SHUTDOWN_SECONDS(self) -> float:
        """How long a stopping worker lets its runs' current steps go on before it cancels them."""
        return getattr(settings, "SKEINO_WORKER_SHUTDOWN_SECONDS", 10.0)

    @property
    def SKEINO_BUSY(self) -> Literal["conflict", "platform"]:
        """What a run with strategy ``interrupt`` or ``rollback`` meets on a busy thread.

        ``conflict``: 409. ``platform``: it stops the active runs, as on the official server.
        """
        return getattr(settings, "SKEINO_BUSY", "conflict")

    @property
    def SKEINO_RUN_CREATE(self) -> Literal["wait", "background"]:
        """When ``POST /threads/{id}/runs`` answers: ``wait``, when the run has ended, or ``background``."""
        return getattr(settings, "SKEINO_RUN_CREATE", "wait")

    @property
    def SKEINO_STATELESS_MINUTES(self) -> PositiveFloat:
        """How long the thread of a run without one is kept after it: so long its stream can be rejoined."""
        return getattr(settings, "SKEINO_STATELESS_MINUTES", 1.0)

    @property
    def SKEINO_MAX_RUNS_PER_USER(self) -> PositiveInt | None:
        """How many runs of one user may wait and execute at a time; more are refused with 429."""
        return getattr(settings, "SKEINO_MAX_RUNS_PER_USER", 1000)

    @property
    def SKEINO_MAX_MESSAGES(self) -> PositiveInt:
        """How many messages the input of a run may have."""
        return getattr(settings, "SKEINO_MAX_MESSAGES", 10_000)

    @property
    def SKEINO_MAX_STREAMS(self) -> PositiveInt:
        """How many streams a web process keeps open at a time; more are refused with 429."""
        return getattr(settings, "SKEINO_MAX_STREAMS", 5000)

    @property
    def SKEINO_RUN_TIMEOUT_SECONDS(self) -> PositiveFloat | None:
        """The longest an attempt of a run may take; None for no limit. A run may ask for less."""
        return getattr(settings, "SKEINO_RUN_TIMEOUT_SECONDS", None)

    @property
    def SKEINO_MAX_ATTEMPTS(self) -> PositiveInt:
        """How many workers a run may be lost with before it ends in an error."""
        return getattr(settings, "SKEINO_MAX_ATTEMPTS", 3)

    @property
    def SKEINO_MAX_EVENT_BYTES(self) -> PositiveInt:
        """The largest event of a stream. A run that emits a larger one fails."""
        return getattr(settings, "SKEINO_MAX_EVENT_BYTES", 32 * 1024 * 1024)

    @property
    def SKEINO_CANCEL_SECONDS(self) -> PositiveFloat:
        """How long a worker waits for a cancelled run's nodes to give up before it goes on without them."""
        return getattr(settings, "SKEINO_CANCEL_SECONDS", 5.0)

    @property
    def SKEINO_HEARTBEAT_SECONDS(self) -> PositiveFloat:
        """A worker that gives no sign of life for this long counts as lost. It gives three in that time."""
        return getattr(settings, "SKEINO_HEARTBEAT_SECONDS", 30.0)

    @property
    def SKEINO_DIRECT_DATABASE_URL(self) -> str | None:
        """Where the same database is reached past a pooler in transaction mode, if DATABASES names one."""
        return getattr(settings, "SKEINO_DIRECT_DATABASE_URL", None)

    @property
    def SKEINO_EVENT_RETENTION_HOURS(self) -> Hours | None:
        """How long a run's log is kept after its end, to be streamed again; None for as long as the run."""
        return getattr(settings, "SKEINO_EVENT_RETENTION_HOURS", 72.0)

    @property
    def SKEINO_RUN_RETENTION_DAYS(self) -> Days | None:
        """How long a run is kept after its end; None for as long as its thread."""
        return getattr(settings, "SKEINO_RUN_RETENTION_DAYS", None)

    @property
    def SKEINO_WORKER_METRICS_PORT(self) -> Port | None:
        """Where a worker process tells Prometheus what it has done, on all of the machine's addresses."""
        return getattr(settings, "SKEINO_WORKER_METRICS_PORT", None)

    @property
    def SKEINO_QUEUE_POLL_SECONDS(self) -> PositiveFloat:
        """How often workers look for jobs unasked: how late a run with `after_seconds` may start."""
        return getattr(settings, "SKEINO_QUEUE_POLL_SECONDS", 1.0)

    @property
    def SKEINO_EVENT_POLL_SECONDS(self) -> PositiveFloat:
        """How often streams look for events unasked, in case a notification was lost."""
        return getattr(settings, "SKEINO_EVENT_POLL_SECONDS", 2.0)

    @property
    def SKEINO_STREAM_HEARTBEAT_SECONDS(self) -> PositiveFloat:
        """After how much silence a stream sends a comment, so that nobody between takes it for dead."""
        return getattr(settings, "SKEINO_STREAM_HEARTBEAT_SECONDS", 5.0)

    @property
    def SKEINO_GRAPH_USER(self) -> ImportString[Any]:
        """The dotted path of the function that says what graphs are told of a run's user.

        It takes the user and returns an object that has ``identity`` and ``permissions``, by attribute and
        by key, as LangGraph's BaseUser.
        """
        return getattr(settings, "SKEINO_GRAPH_USER", "runs.graph_user.graph_user")

    @property
    def SKEINO_WEBHOOK_SECRET(self) -> str | None:
        """With it, webhooks are signed."""
        return getattr(settings, "SKEINO_WEBHOOK_SECRET", None)

    @property
    def SKEINO_WEBHOOK_ALLOW_PRIVATE(self) -> bool:
        """Whether webhooks may go to loopback, private and link-local addresses."""
        return getattr(settings, "SKEINO_WEBHOOK_ALLOW_PRIVATE", False)


conf = Settings()
