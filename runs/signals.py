"""What Django cannot know goes with a run. Receivers, for runs go with their threads too."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import pre_delete
from django.dispatch import receiver

from runs.models import Run


@receiver(pre_delete, sender=Run)
def abandon_run(instance: Run, origin: Any, **kwargs: Any) -> None:
    """In the transaction of the deletion. When the thread is what is deleted, nothing need be undone."""
    is_run = isinstance(origin, Run) or getattr(origin, "model", None) is Run
    instance.abandon(thread_stays=is_run)
