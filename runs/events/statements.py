"""The reader's one query."""

from __future__ import annotations

from runs.events import END, VOID

# For each follower its events; where there are none, whether any are to come. Status and last event of a run
# appear together, so who is found inactive and without events has read all there is.
SELECT_EVENTS = f"""
SELECT f.position, e.seq, e.event, e.data, e.seq IS NOT NULL OR EXISTS (
    SELECT 1 FROM runs_run WHERE id = f.run_id AND status IN ('pending', 'running')
)
FROM unnest(%s::uuid[], %s::int[], %s::bool[]) WITH ORDINALITY AS f (run_id, after, only_end, position)
LEFT JOIN LATERAL (
    SELECT seq, event, data FROM (
        SELECT seq, event, data, sum(octet_length(data)) OVER (ORDER BY seq) - octet_length(data) AS before
        FROM (
            SELECT seq, event, data FROM runs_runevent
            WHERE run_id = f.run_id AND seq > f.after AND (NOT f.only_end OR event = '{END}')
                AND event <> '{VOID}'
            ORDER BY seq LIMIT %s
        ) limited
    ) sized WHERE before < %s
) e ON true
ORDER BY f.position, e.seq
"""  # nosec B608  (constants)
