"""What Django cannot know goes with a run. Receivers, for runs go with their threads too.

And what is counted of threads, whose own app knows nothing of metrics.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save, pre_delete
from django.dispatch import receiver

from runs import metrics
from runs.models import Run
from threads.models import Thread


@receiver(pre_delete, sender=Run)
def abandon_run(instance: Run, origin: Any, **kwargs: Any) -> None:
    """In the transaction of the deletion. When the thread is what is deleted, nothing need be undone."""
    is_run = isinstance(origin, Run) or getattr(origin, "model", None) is Run
    instance.abandon(thread_stays=is_run)


@receiver(post_save, sender=Thread)
def count_left_thread(instance: Thread, update_fields: frozenset[str] | None, **kwargs: Any) -> None:
    """What ends with its run is counted there: the statements that end it send no signals."""
    if "status" in (update_fields or ()):
        transaction.on_commit(partial(metrics.count_left, instance.status))
