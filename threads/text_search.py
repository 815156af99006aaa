"""Search over what messages say: an index apart from the threads, which runs never write to.

A task fills it (``threads.tasks.index_text``), so what was said in the last minute may not be found yet.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import connection, models
from django.db.models import Max
from django.utils import timezone

# Of a thread's texts so many bytes, at least, are searched: its first messages.
MAX_BYTES = 200_000
# In characters, where they have more bytes than one. What no text exceeds then, no index does either.
MAX_WIDE = MAX_BYTES // 4
# How many threads one statement takes: some tenths of a second's worth.
BATCH = 200
# And how many bytes of states, as stored.
BATCH_BYTES = 10_000_000
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# Transactions commit later than the time they write, and clocks differ.
OVERLAP = timedelta(minutes=5)

# The threads' rows are locked last, when all texts are read, and only against deletion, so that a run hardly
# ever waits for one. Those that others have locked are left for the next time.
FILL = """
WITH changed AS MATERIALIZED (
    SELECT t.id, t.state_updated_at, pg_column_size(t.values) AS size FROM threads_thread t
    WHERE t.state_updated_at >= %(since)s AND NOT t.temporary AND t.values IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM threads_threadtext x
        WHERE x.thread_id = t.id AND x.state_updated_at >= t.state_updated_at
    )
    ORDER BY t.state_updated_at, t.id LIMIT %(limit)s
), batch AS MATERIALIZED (
    SELECT id, state_updated_at FROM (
        SELECT *, sum(size) OVER (ORDER BY state_updated_at, id) - size AS before FROM changed
    ) c WHERE before < %(bytes)s
), read AS MATERIALIZED (
    SELECT b.id, b.state_updated_at, strip(to_tsvector('simple', CASE
        WHEN octet_length(m.text) <= %(max_bytes)s THEN m.text ELSE left(m.text, %(max_wide)s) END)) AS words
    FROM batch b JOIN threads_thread t ON t.id = b.id CROSS JOIN LATERAL (
        SELECT left(string_agg(found #>> '{}', ' '), %(max_bytes)s) AS text FROM (
            SELECT jsonb_path_query(t.values, '$.messages[*].content[*] ? (@.type() == "string")')
            UNION ALL
            SELECT jsonb_path_query(t.values, '$.messages[*].content[*].text ? (@.type() == "string")')
        ) f (found)
    ) m
), locked AS MATERIALIZED (
    SELECT id FROM threads_thread WHERE id IN (SELECT id FROM read) FOR KEY SHARE SKIP LOCKED
), kept AS (
    INSERT INTO threads_threadtext AS x (thread_id, state_updated_at, words)
    SELECT r.id, r.state_updated_at, coalesce(r.words, '') FROM read r JOIN locked USING (id)
    ON CONFLICT (thread_id) DO UPDATE
    SET state_updated_at = excluded.state_updated_at, words = excluded.words
    WHERE x.state_updated_at < excluded.state_updated_at
    RETURNING 1
)
SELECT (SELECT count(*) FROM changed), (SELECT count(*) FROM batch), (SELECT count(*) FROM kept)
"""


class ThreadTextQuerySet(models.QuerySet["ThreadText"]):
    def fill(self, *, seconds: float, everywhere: bool = False) -> bool:
        """Take up the texts of threads that have changed, oldest first; whether that is all for now.

        In batches, each a transaction of its own, until there are no more or the time is up. It looks at what
        has changed since shortly before what was taken up last; with ``everywhere`` at all threads.
        """
        deadline = time.monotonic() + seconds
        since = BEGINNING if everywhere else self._since()
        limits: dict[str, Any] = {"since": since, "limit": BATCH, "bytes": BATCH_BYTES}
        limits |= {"max_bytes": MAX_BYTES, "max_wide": MAX_WIDE}
        while time.monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute(FILL, limits)
                changed, taken, kept = cursor.fetchone()
            is_last = changed < BATCH and taken == changed
            if is_last or not kept:  # where none is kept, somebody has locked them all
                return True
        return False

    def _since(self) -> datetime:
        last = self.aggregate(last=Max("state_updated_at"))["last"]
        return min(last, timezone.now()) - OVERLAP if last else BEGINNING


class ThreadText(models.Model):
    """The words of a thread's messages, as they were when its state was updated last but for a minute."""

    # The constraint is made by a migration, with ON DELETE CASCADE.
    thread = models.OneToOneField(
        "threads.Thread",
        on_delete=models.DO_NOTHING,
        primary_key=True,
        related_name="+",
        db_constraint=False,
    )
    state_updated_at = models.DateTimeField(db_index=True)
    words = SearchVectorField()

    objects = ThreadTextQuerySet.as_manager()

    class Meta:
        indexes = [
            # What waits to be put into the index in bulk is read by every search.
            GinIndex(fields=["words"], name="thread_text_words", gin_pending_list_limit=512),
        ]

    def __str__(self) -> str:
        return str(self.thread_id)
