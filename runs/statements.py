"""What every run does to the database, as few statements as it takes: made, claimed, ended.

They are executed on Django's connection, or on one of a worker's pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from assistants.database import key_of
from assistants.models import IS_RESTRICTED
from runs import jobs
from runs.events import END
from runs.events.follower import Event
from runs.events.notifications import CHANNEL, payloads
from threads.encoding import EncodedJSON, encode

if TYPE_CHECKING:
    from runs.events.writer import Row
    from runs.models import Run
    from threads.state import Outcome

IS_FOR_ALL = f"""EXISTS (
    SELECT 1 FROM assistants_assistant a WHERE a.id = %(assistant)s AND NOT {IS_RESTRICTED}
)"""  # nosec B608  (constants)
# One that goes on while the thread is locked by its run's last transaction waits here, and then has what
# that left. The job's number and the time come after the lock: a thread's runs have them in the same order.
SUBMIT = f"""
WITH thread AS MATERIALIZED (
    SELECT id, metadata FROM threads_thread
    WHERE id = %(thread)s AND (NOT %(unseen)s OR owner_id IS NOT DISTINCT FROM %(user)s AND {IS_FOR_ALL})
    FOR NO KEY UPDATE
), job AS MATERIALIZED (
    SELECT unnest({jobs.DEFER}) AS id FROM thread
), now AS MATERIALIZED (
    SELECT clock_timestamp() AS time FROM job
), run AS (
    INSERT INTO runs_run (
        id, thread_id, assistant_id, user_id, job_id, status, kwargs, metadata, multitask_strategy,
        idempotency_key, attempt, lost, cancel_action, created_at, updated_at
    )
    SELECT %(run)s, thread.id, %(assistant)s, %(user)s, job.id, 'pending', %(kwargs)s,
        '{{"created_by": "system"}}'::jsonb || thread.metadata || %(metadata)s || %(stamp)s,
        %(multitask_strategy)s, %(idempotency_key)s, 0, 0, '', now.time, now.time
    FROM thread, job, now
    RETURNING job_id, metadata, created_at
), occupied AS (
    UPDATE threads_thread t
    SET status = 'busy', metadata = t.metadata || %(stamp)s, config = %(config)s, updated_at = run.created_at
    FROM run WHERE t.id = %(thread)s
)
SELECT job_id, metadata, created_at FROM run
"""  # nosec B608  (constants)

NEW_ATTEMPT = "status = 'running', attempt = attempt + 1, started_at = {now}, updated_at = {now}"
# Found by its id: of few runs Postgres would look at all that wait, and keeps the plan when there are many.
IS_PENDING = "status || '' = 'pending'"
CLAIMED = """
    r.thread_id, r.user_id, r.job_id, r.kwargs, r.metadata, r.attempt, r.lost, r.cancel_action, r.started_at,
    r.assistant_id, a.graph_id, a.config, a.context,
    CASE WHEN r.attempt > 1 THEN (SELECT max(seq) FROM runs_runevent WHERE run_id = r.id) END AS seq,
    EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = r.thread_id::text) AS has_checkpoints
"""

CLAIM = f"""
WITH r AS (
    UPDATE runs_run SET {NEW_ATTEMPT.format(now="%(now)s")} WHERE id = %(run)s AND {IS_PENDING} RETURNING *
)
SELECT {CLAIMED} FROM r JOIN assistants_assistant a ON a.id = r.assistant_id
"""  # nosec B608  (constants)

# A job with its run, which is claimed already. Without it where the two are not as they should be, or the run
# was made while this began: who executes the job claims it then. A thread's runs begin in their order by the
# database's clock, whichever workers have them: its streams ask for what began after the one before.
FETCH = f"""
WITH job AS MATERIALIZED (
    SELECT *, CASE WHEN task_name = '{jobs.EXECUTE}' THEN (args ->> 'run_id')::uuid END AS run_id
    FROM procrastinate_fetch_job_v2(NULL, %(worker)s)
), r AS (
    UPDATE runs_run w SET {NEW_ATTEMPT.format(now="clock_timestamp()")}
    WHERE w.id = (SELECT run_id FROM job) AND {IS_PENDING} AND NOT EXISTS (
        SELECT 1 FROM runs_run o WHERE o.thread_id = w.thread_id AND o.status = 'running' OFFSET 0
    )
    RETURNING w.*
)
SELECT job.*, {CLAIMED}
FROM job LEFT JOIN r ON r.id = job.run_id LEFT JOIN assistants_assistant a ON a.id = r.assistant_id
WHERE job.id IS NOT NULL
"""  # nosec B608  (constants)

# Before FINISH and in its transaction, but not in its statement: that must see what those have left who had
# the locks before, runs that were submitted and jobs that were taken back. The thread's comes first.
LOCK = """
WITH thread AS MATERIALIZED (
    SELECT id FROM threads_thread WHERE id = %(thread)s FOR NO KEY UPDATE
)
SELECT id FROM procrastinate_jobs WHERE (SELECT count(*) FROM thread) >= 0 AND id = %(job)s FOR UPDATE
"""

# The thread is settled by the rule of `Thread.settle`, which is for what else changes a state.
FINISH = f"""
WITH run AS MATERIALIZED (
    UPDATE runs_run SET status = %(status)s::text, error = %(run_error)s, usage = %(usage)s,
        traceback = %(traceback)s::text, finished_at = %(now)s, updated_at = %(now)s
    WHERE id = %(run)s::uuid AND status = %(expected)s::text AND attempt = %(attempt)s
    RETURNING id, thread_id
), done AS (
    DELETE FROM procrastinate_jobs j USING run WHERE j.id = %(job)s AND j.status = 'doing'
), settled AS (
    UPDATE threads_thread t
    SET {{outcome}}updated_at = %(now)s, status = CASE WHEN EXISTS (
        SELECT 1 FROM runs_run o
        WHERE o.thread_id = t.id AND o.id <> run.id AND o.status IN ('pending', 'running')
    ) THEN 'busy' ELSE {{status}} END
    FROM run WHERE t.id = run.thread_id
    RETURNING t.status
), logged AS (
    INSERT INTO runs_runevent (run_id, seq, event, data)
    SELECT run.id, e.seq, e.event, e.data
    FROM run, unnest(%(seqs)b::int[], %(events)b::text[], %(data)b::text[]) AS e (seq, event, data)
)
SELECT settled.status, CASE WHEN %(webhook)s THEN {jobs.DEFER} END, (
    SELECT count(pg_notify(%(channel)s, told.payload)) FROM unnest(%(told)b::text[]) AS told (payload)
)
FROM settled
"""  # nosec B608  (constants)
OUTCOME = "settled_status = %(thread_status)s::text, interrupts = %(interrupts)s, error = %(error)s, "
VALUES = """"values" = %(values)s, state_updated_at = %(now)s,
    expires_at = %(now)s::timestamptz + t.ttl_minutes * interval '1 minute', """
FINISH_UNCHANGED = FINISH.format(outcome="", status="t.settled_status")
FINISH_WITHOUT_VALUES = FINISH.format(outcome=OUTCOME, status="%(thread_status)s::text")
FINISH_WITH_VALUES = FINISH.format(outcome=OUTCOME + VALUES, status="%(thread_status)s::text")


# Of these a run's stream tells by an event `error`.
FAILURES = ("error", "timeout")


class Statement(NamedTuple):
    text: str
    parameters: dict[str, Any]


class Ending(NamedTuple):
    """How an attempt ends. ``seq`` numbers the first of the events that tell of it.

    Without an outcome the run has left nothing, and its thread is what it was. ``unwritten``: events before
    these that are not in the log yet.
    """

    status: str
    seq: int
    outcome: Outcome | None = None
    usage: dict[str, int] | None = None
    traceback: str = ""  # kept of errors alone
    expected: str = "running"  # the run's status before
    unwritten: Sequence[Row] = ()

    @property
    def error(self) -> Any:
        return self.outcome.error if self.outcome else None

    def events(self) -> list[Event]:
        """Clients stop reading at an ``error`` and look at the run, so it comes with the end."""
        last = [("error", _text(self.error))] if self.error and self.status in FAILURES else []
        last.append((END, encode({"status": self.status})))
        return [row.as_event for row in self.unwritten] + [
            Event(self.seq + place, *event) for place, event in enumerate(last)
        ]


def submit(run: Run, job: dict[str, Any], *, config: dict[str, Any], unseen: bool) -> Statement:
    """Insert the run with its job, and occupy its thread. Returns ``job_id``, ``metadata``, ``created_at``.

    Metadata are those of the run over its thread's, and its stamp over both, which the thread takes too. No
    row: the thread is gone; or ``unseen``, and not the run's user's, or its assistant not for all users.
    """
    parameters = {
        "run": run.pk,
        "thread": run.thread_id,
        "assistant": run.assistant_id,
        "user": key_of(type(run), "user", run.user_id),
        "unseen": unseen,
        "kwargs": _jsonb(run.kwargs),
        "metadata": _jsonb(run.metadata),
        "multitask_strategy": run.multitask_strategy,
        "idempotency_key": run.idempotency_key,
        "stamp": _jsonb(run.stamp),
        "config": _jsonb(config),
    }
    return Statement(SUBMIT, parameters | job)


def claim(run_id: UUID, now: datetime) -> Statement:
    """A new attempt, as ``RunQuerySet.claimed`` reads it. No row: the run is gone, or not pending."""
    return Statement(CLAIM, {"run": run_id, "now": now})


def fetch(worker_id: int) -> Statement:
    """The next job for a worker, if there is one; and beside it what ``claim`` returns, else NULLs."""
    return Statement(FETCH, {"worker": worker_id})


def finish(run: Run, ending: Ending, now: datetime) -> list[Statement]:
    """For one transaction. The last returns the thread's ``status``; no row: the run is not so any more."""
    outcome = ending.outcome
    events = ending.events()
    seqs, names, data = (list(column) for column in zip(*events, strict=True))
    text = FINISH_UNCHANGED
    parameters: dict[str, Any] = {
        "run": run.pk,
        "job": run.job_id,
        "attempt": run.attempt,
        "expected": ending.expected,
        "now": now,
        "status": ending.status,
        "run_error": _jsonb(ending.error),
        "usage": _jsonb(ending.usage),
        "traceback": ending.traceback if ending.status == "error" else "",
        "seqs": seqs,
        "events": names,
        "data": data,
        "channel": CHANNEL,
        "told": payloads(run.pk, events),
        "webhook": bool(run.kwargs.get("webhook")),
    }
    if outcome is not None:
        text = FINISH_WITHOUT_VALUES if outcome.values is None else FINISH_WITH_VALUES
        parameters |= {
            "thread_status": str(outcome.thread_status),
            "interrupts": _jsonb(outcome.interrupts),
            "error": _jsonb(outcome.error),
            "values": _jsonb(outcome.values),
        }
    return [
        Statement(LOCK, {"thread": run.thread_id, "job": run.job_id}),
        Statement(text, parameters | jobs.delivery(run.pk)),
    ]


async def transact(pool: AsyncConnectionPool[Any], wanted: list[Statement]) -> list[dict[str, Any]]:
    """Execute statements in one transaction and one round trip; returns the last one's rows.

    The pool's connections commit by themselves: a statement, or what is sent in one pipeline.
    """
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        if len(wanted) == 1:
            return await (await cursor.execute(*wanted[0])).fetchall()
        async with connection.pipeline():
            for statement in wanted:
                cursor = await connection.cursor(row_factory=dict_row).execute(*statement)
        return await cursor.fetchall()


def _jsonb(value: Any) -> Jsonb | None:
    """None is NULL."""
    return None if value is None else Jsonb(_text(value), dumps=str)


def _text(value: Any) -> str:
    return value if isinstance(value, EncodedJSON) else encode(value)
