from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from assistants.console import lists
from runs.models import Run
from tests.console.pages import make_run, page, url
from tests.runs.many import run_id_of
from threads.models import Thread

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", [Thread, Run])
def test_a_great_many_are_not_counted(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, model: type[Thread] | type[Run]
) -> None:
    monkeypatch.setattr(lists, "MAX_COUNTED", 60)
    for _ in range(70):
        make_run(Thread.objects.create())
    listed = admin_client.get(url(model, "changelist")).context["cl"]
    assert (listed.result_count, len(listed.result_list), listed.paginator.num_pages) == (60, 50, 2)
    second = admin_client.get(url(model, "changelist") + "?p=2").context["cl"]
    assert len(second.result_list) == 10


@pytest.mark.parametrize(
    ("count", "is_grouped", "shown"),
    [(1999, False, "1999 threads"), (2000, False, "2,000+ threads"), (2000, True, "2,000 threads")],
)
def test_what_was_not_counted_further_says_so(
    admin_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    count: int,
    is_grouped: bool,
    shown: str,
) -> None:
    settings.USE_THOUSAND_SEPARATOR = is_grouped
    monkeypatch.setattr(lists, "MAX_COUNTED", 2000)
    Thread.objects.bulk_create(Thread() for _ in range(count))
    assert f" {shown} " in " ".join(page(admin_client, url(Thread, "changelist")).split())


def test_runs_are_listed_newest_first_and_filtered_by_age(admin_client: Client) -> None:
    now = timezone.now()
    runs = [
        make_run(Thread.objects.create(), id=run_id_of(now - ago), created_at=now - ago)
        for ago in (timedelta(days=40), timedelta(hours=2), timedelta(0))
    ]
    listed = admin_client.get(url(Run, "changelist")).context["cl"]
    assert [run.pk for run in listed.result_list] == [run.pk for run in reversed(runs)]
    for age, count in {"hour": 1, "day": 2, "month": 2, "nonsense": 3}.items():
        content = page(admin_client, url(Run, "changelist") + f"?created={age}")
        assert sum(str(run.pk) in content for run in runs) == count


def test_lists_of_many_rows_read_few_of_them(admin_client: Client) -> None:
    """No query of the list of runs, or of a search of threads, goes through all rows."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    make_run(Thread.objects.create(values={"messages": [{"type": "human", "content": "parcel"}]}))
    for address in (url(Run, "changelist"), url(Thread, "changelist") + "?q=parcel"):
        with CaptureQueriesContext(connection) as queries:
            page(admin_client, address)
        asked = [query["sql"] for query in queries.captured_queries]
        assert not any("DATE_TRUNC" in sql or "MIN(" in sql for sql in asked)
        counts = [sql for sql in asked if "COUNT(*)" in sql]
        assert counts
        assert all("LIMIT 10000" in sql for sql in counts)
