"""Undoing a run that was rolled back: its checkpoints go, and those of others are again what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection, models

if TYPE_CHECKING:
    from runs.models import Run


class WriteBefore(models.Model):
    """What stood in the place of a run's write on a checkpoint that is not its own: nothing, or another.

    A run that goes on from a checkpoint puts the results of its first step there: answers to interrupts,
    what nodes wrote. Kept by ``runs.checkpoints`` with the write itself, as long as the run is.
    """

    pk = models.CompositePrimaryKey("run_id", "checkpoint_ns", "checkpoint_id", "task_id", "idx")
    # The constraint is made by a migration, with ON DELETE CASCADE.
    run = models.ForeignKey(
        "runs.Run", on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    checkpoint_ns = models.TextField()
    checkpoint_id = models.TextField()
    task_id = models.TextField()
    idx = models.IntegerField()
    channel = models.TextField(null=True)  # noqa: DJ001  (null is "there was none")
    type = models.TextField(null=True)  # noqa: DJ001
    blob = models.BinaryField(null=True)

    def __str__(self) -> str:
        return f"{self.run_id} {self.checkpoint_id} {self.task_id} {self.idx}"


# Values stay while a checkpoint of another run has them. A write without a checkpoint is one that came before
# its checkpoint, which will not come any more.
UNDO = """
WITH gone AS (
    DELETE FROM checkpoints
    WHERE thread_id = %(thread)s AND metadata ->> 'run_id' = %(run)s
    RETURNING checkpoint_ns, checkpoint -> 'channel_versions' AS versions
), left_over AS (
    DELETE FROM checkpoint_blobs b USING gone g, jsonb_each_text(g.versions) v
    WHERE b.thread_id = %(thread)s AND b.checkpoint_ns = g.checkpoint_ns
    AND b.channel = v.key AND b.version = v.value
    AND NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = %(thread)s AND c.checkpoint_ns = b.checkpoint_ns
        AND c.metadata ->> 'run_id' IS DISTINCT FROM %(run)s
        AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version
    )
), replaced AS (
    UPDATE checkpoint_writes w SET channel = b.channel, type = b.type, blob = b.blob
    FROM runs_writebefore b
    WHERE b.run_id = %(run)s::uuid AND b.channel IS NOT NULL
    AND w.thread_id = %(thread)s AND w.checkpoint_ns = b.checkpoint_ns
    AND w.checkpoint_id = b.checkpoint_id AND w.task_id = b.task_id AND w.idx = b.idx
)
DELETE FROM checkpoint_writes w
WHERE w.thread_id = %(thread)s AND (
    NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = w.thread_id AND c.checkpoint_ns = w.checkpoint_ns
        AND c.checkpoint_id = w.checkpoint_id AND c.metadata ->> 'run_id' IS DISTINCT FROM %(run)s
    ) OR EXISTS (
        SELECT 1 FROM runs_writebefore b
        WHERE b.run_id = %(run)s::uuid AND b.channel IS NULL
        AND b.checkpoint_ns = w.checkpoint_ns AND b.checkpoint_id = w.checkpoint_id
        AND b.task_id = w.task_id AND b.idx = w.idx
    )
)
"""


def undo(run: Run) -> None:
    """Take back all that the run has written to its thread's checkpoints. Call with the run's row locked."""
    with connection.cursor() as cursor:
        cursor.execute(UNDO, {"thread": str(run.thread_id), "run": str(run.pk)})
