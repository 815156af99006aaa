"""What an open page of a thread asks: the stream of the active run, or whether anything has changed."""

from __future__ import annotations

from functools import partial

from django.http import HttpResponse, HttpResponseBase

from runs.events.follower import Event
from runs.exceptions import TooManyStreams
from runs.models import Run
from runs.streaming import check_capacity, event_stream
from threads.models import Thread

# Characters of an event's data: what is larger a page need not show before it is in the thread's state.
MAX_EVENT = 200_000


def stream(thread: Thread, *, content: bool) -> HttpResponseBase:
    """The events of the thread's first active run from its beginning on, as the API sends them.

    Only those that the page can show; without ``content`` the stream tells no more than when the run ends.
    Without an active run no content (204), and in ``X-Updated-At`` when the thread changed last, so that an
    open page can tell whether it is behind. 503 where there are too many streams.
    """
    active = Run.objects.filter(thread=thread).active()
    # What executes comes before what waits.
    run = active.filter(status=Run.Status.RUNNING).first() or active.order_by("pk").first()
    if run is None:
        return HttpResponse(status=204, headers={"X-Updated-At": thread.updated_at.isoformat()})
    try:
        check_capacity()
    except TooManyStreams:
        return HttpResponse(status=503)
    return event_stream(run, wanted=partial(_is_shown, content=content), cancels=False)


def _is_shown(event: Event, *, content: bool) -> bool:
    if not content:
        return event.event == "metadata"
    name = event.event.partition("|")[0]
    is_said = event.event == "values" or name in ("messages", "messages/partial", "messages/complete")
    return name == "metadata" or (is_said and len(event.data) <= MAX_EVENT)
