from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from runs.querysets import RunEventQuerySet


class RunEvent(models.Model):
    """One event of a run's stream: its log, written once by the worker, read by every follower.

    ``data`` is the event's JSON text as clients receive it. ``seq`` counts from 1 without gaps. The last
    event of a finished run is ``end``, which no client sees; nor ``void``, which it becomes when the run is
    tried again.
    """

    pk = models.CompositePrimaryKey("run_id", "seq")
    run = models.ForeignKey(
        "runs.Run", on_delete=models.DO_NOTHING, related_name="events", db_index=False, db_constraint=False
    )
    seq = models.PositiveIntegerField()
    event = models.TextField()
    data = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    objects = RunEventQuerySet.as_manager()

    class Meta:
        ordering = ["run_id", "seq"]

    def __str__(self) -> str:
        return f"{self.run_id} {self.seq} {self.event}"
