"""The queue's entries for threads."""

from __future__ import annotations

import logging

from procrastinate.contrib.django import app

from threads.models import Thread

logger = logging.getLogger(__name__)

# How many threads one sweep deals with one by one: the next is a minute away.
BATCH = 500
# How many are deleted at a time of those that need no such care.
TEMPORARY_BATCH = 1000


@app.periodic(cron="* * * * *")
@app.task(name="threads.sweep", queueing_lock="threads.sweep")
def sweep(timestamp: int) -> None:
    """End the threads whose time is up."""
    while Thread.objects.delete_temporary(TEMPORARY_BATCH) == TEMPORARY_BATCH:
        pass
    for thread in Thread.objects.without_values().expired().order_by("expires_at")[:BATCH]:
        try:
            thread.expire()
        except NotImplementedError as exc:  # LangGraph prunes no thread whose state is kept as differences
            logger.warning("Thread %s keeps its history: %s", thread.pk, exc)
            Thread.objects.filter(pk=thread.pk).update(expires_at=None)
