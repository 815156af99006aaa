"""What Django cannot know goes with a thread. Receivers, for threads go with their owners too."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete, pre_delete
from django.dispatch import receiver

from threads import checkpointer
from threads.models import Thread


@receiver(pre_delete, sender=Thread)
def lock_thread(instance: Thread, **kwargs: Any) -> None:
    """Before any other row is touched, as those who work on its runs do."""
    Thread.objects.select_for_update().filter(pk=instance.pk).exists()


@receiver(post_delete, sender=Thread)
def delete_checkpoints(instance: Thread, **kwargs: Any) -> None:
    """In the transaction of the deletion, after its runs: those who still execute them cannot add any now."""
    checkpointer.delete([str(instance.pk)])
