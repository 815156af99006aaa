from __future__ import annotations

import pytest
from django.db import connection
from pytest_django import Settings

from assistants.models import Assistant
from tests.console import many, timings
from tests.live import ROOT
from threads.models import Thread
from threads.text_search import ThreadText


@pytest.mark.django_db(transaction=True)
def test_each_page_is_timed_with_its_queries(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a few threads; the index that is dropped and made again for the comparison stays what it was."""
    settings.SKEINO_LANGGRAPH_JSON = ROOT / "langgraph.json"
    monkeypatch.setattr(timings, "TIMES", 1)
    monkeypatch.setattr(timings, "UPDATES", 10)
    monkeypatch.setattr(timings, "ROUNDS", 1)
    Assistant.objects.sync()
    many.make_threads(1200)
    assert ThreadText.objects.fill(seconds=60)
    thread = many.make_history(3)
    rows = timings.report(thread).splitlines()[2:]
    assert len(rows) == len(timings.pages(thread)) > 15
    assert all(1 <= int(row.split("|")[2]) <= 25 for row in rows)
    indexes = "SELECT indexdef FROM pg_indexes WHERE tablename = 'threads_thread' ORDER BY indexname"
    with connection.cursor() as cursor:
        cursor.execute(indexes)
        before = cursor.fetchall()
        timings.settling()
        cursor.execute(indexes)
        assert cursor.fetchall() == before
        cursor.execute("TRUNCATE checkpoints, checkpoint_blobs, checkpoint_writes")
    assert Thread.objects.count() == 1201
