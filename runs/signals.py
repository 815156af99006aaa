"""What Django cannot know goes with a run. Receivers, for runs go with their threads too."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import pre_delete
from django.dispatch import receiver

from runs.models import Run


@receiver(pre_delete, sender=Run)
def abandon_run(instance: Run, **kwargs: Any) -> None:
    """In the transaction of the deletion: a run that waits leaves the queue, one that executes is stopped."""
    instance.abandon()
