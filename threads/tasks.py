"""The queue's entries for threads."""

from __future__ import annotations

import logging
from contextlib import suppress

from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import AlreadyEnqueued

from threads.conf import conf
from threads.housekeeping import aside
from threads.models import Thread
from threads.text_search import ThreadText

logger = logging.getLogger(__name__)

# How many threads one sweep deals with one by one: the next is a minute away.
BATCH = 500
# How many are deleted at a time of those that need no such care.
TEMPORARY_BATCH = 1000
# Less than a stopping worker waits, for what has begun in a thread cannot be cancelled.
INDEX_SECONDS = 2.0
INDEX_TEXT = "threads.index_text"


@app.periodic(cron="* * * * *")
@app.task(name="threads.sweep", queueing_lock="threads.sweep")
@aside
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


@app.periodic(cron="* * * * *")
@app.task(name=INDEX_TEXT, queueing_lock=INDEX_TEXT)
@aside
def index_text(timestamp: int) -> None:
    """Take up what was said since the last time; once an hour, look at all threads.

    If there is much, go on soon.
    """
    if not conf.SKEINO_SEARCH_MESSAGES:
        return
    if not ThreadText.objects.fill(seconds=INDEX_SECONDS, everywhere=timestamp % 3600 < 60):
        # The worker's own connections are not for tasks in threads.
        later = app.with_connector(DjangoConnector()).configure_task(
            INDEX_TEXT, schedule_in={"seconds": 2}, queueing_lock=INDEX_TEXT
        )
        with suppress(AlreadyEnqueued):  # the next minute has come
            later.defer(timestamp=timestamp)
