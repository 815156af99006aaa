"""A great many threads, made by Postgres itself, and one with a long history."""

from __future__ import annotations

from typing import Any

from django.db import connection

# Words as often as in languages: the first in nearly every message, the last in a few.
WORDS = """
CREATE TEMPORARY TABLE said AS
SELECT m AS number, (
    SELECT string_agg(translate(md5(floor(exp(random() * ln(20000)))::int::text), '0123456789', 'ghijklmnop')
        ::varchar(7), ' ')
    FROM generate_series(1, 50) WHERE m > 0  -- for each anew
) AS text FROM generate_series(1, 20000) m
"""
# Ids as the server makes them (UUIDv7), a minute apart.
THREADS = """
INSERT INTO threads_thread (id, status, settled_status, metadata, config, values, temporary, ttl_strategy,
    created_at, updated_at, state_updated_at)
SELECT id, status, status, jsonb_build_object('graph_id', 'agent', 'assistant_id', assistant), '{}',
    jsonb_build_object('messages', (
        SELECT jsonb_agg(jsonb_build_object(
            'type', CASE mod(p, 2) WHEN 1 THEN 'human' ELSE 'ai' END, 'content',
            CASE p WHEN 20 THEN 'case' || n ELSE (
                SELECT text FROM said WHERE number = 1 + mod(n * 7919 + p * 104729, 20000)
            ) END) ORDER BY p)
        FROM generate_series(1, 20) p
    )), false, 'delete', at, at, at
FROM (
    SELECT n, at, (ARRAY['idle', 'idle', 'idle', 'interrupted', 'error'])[1 + mod(n, 5)] AS status,
        (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
            || '8' || substr(md5(n::text), 4, 15))::uuid AS id,
        (SELECT id FROM assistants_assistant WHERE graph_id = 'agent' LIMIT 1) AS assistant
    FROM (SELECT n, now() - make_interval(mins => %(count)s - n) AS at FROM generate_series(1, %(count)s) n) s
) t
"""
RUNS = """
INSERT INTO runs_run (id, thread_id, assistant_id, job_id, status, kwargs, metadata, multitask_strategy,
    attempt, lost, cancel_action, usage, created_at, updated_at, started_at, finished_at)
SELECT overlay(t.id::text placing lpad(to_hex(r), 3, '0') from 16)::uuid, t.id,
    (SELECT id FROM assistants_assistant WHERE graph_id = 'agent' LIMIT 1), 0, 'success', '{"input": null}',
    '{}', 'enqueue', 1, 0, '', '{"total_tokens": 321}', t.created_at, t.created_at, t.created_at,
    t.created_at + interval '2 s'
FROM threads_thread t CROSS JOIN generate_series(1, 2) r
"""


def make_threads(count: int) -> None:
    """Threads of 20 messages of 50 words, the last of which is its own, and two runs each."""
    with connection.cursor() as cursor:
        for statement in (
            "DROP TABLE IF EXISTS said",
            WORDS,
            "CREATE UNIQUE INDEX ON said (number)",
            "ANALYZE said",
        ):
            cursor.execute(statement)
        cursor.execute(THREADS, {"count": count})
        cursor.execute(RUNS)
        for table in ("threads_thread", "runs_run"):
            cursor.execute(f"VACUUM ANALYZE {table}")


def make_history(checkpoints: int) -> Any:
    """A thread whose state was edited so many times."""
    from threads import state
    from threads.models import Thread

    thread = Thread.objects.create(metadata={"graph_id": "agent"})
    for number in range(checkpoints):
        message = {"role": "user", "content": f"Draft {number}", "id": "draft"}
        state.update(thread, [{"messages": [message]}], as_node="answer")
    thread.refresh_from_db()
    return thread
