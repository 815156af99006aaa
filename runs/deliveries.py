from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models, transaction
from django.db.models.functions import Now

from runs.retention import PruneDeliveries

if TYPE_CHECKING:
    from runs.models import Run

# Of what went wrong, so many characters are kept.
MAX_ERROR = 500


class WebhookDeliveryQuerySet(PruneDeliveries, models.QuerySet["WebhookDelivery"]):
    @transaction.atomic
    def begin(self, run: Run) -> WebhookDelivery:
        """The run's next delivery. Locks its row, so that of two at a time each has a number."""
        type(run).objects.select_for_update(of=("self",), no_key=True).filter(pk=run.pk).exists()
        last = self.filter(run=run).aggregate(last=models.Max("number"))["last"] or 0
        return self.create(run=run, number=last + 1)


class WebhookDelivery(models.Model):
    """One attempt to tell a run's webhook that the run has ended.

    It has an HTTP ``status`` if there was an answer, else an ``error``. Without both it is under way, or its
    worker was lost. ``seconds`` is how long it took.
    """

    pk = models.CompositePrimaryKey("run_id", "number")
    # The constraint is made by a migration, with ON DELETE CASCADE.
    run = models.ForeignKey(
        "runs.Run",
        on_delete=models.DO_NOTHING,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
    )
    number = models.PositiveIntegerField()
    sent_at = models.DateTimeField(db_default=Now())
    status = models.PositiveSmallIntegerField(null=True)
    error = models.TextField(db_default="")
    seconds = models.FloatField(null=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["run_id", "number"]

    def __str__(self) -> str:
        return f"{self.run_id} {self.number}"

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def end(self, *, seconds: float, status: int | None = None, error: str = "") -> None:
        """What became of it. Nothing is kept if its run was deleted meanwhile."""
        self.status, self.seconds = status, seconds
        self.error = error.replace("\0", "")[:MAX_ERROR]
        type(self).objects.filter(pk=self.pk).update(status=status, seconds=seconds, error=self.error)
