from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries

from runs.models import Run, WebhookDelivery
from tests.console.pages import SCRIPT, do, do_to_all, log_in_staff, make_run, page, url
from threads.models import Thread

pytestmark = pytest.mark.django_db


def jobs() -> int:
    return ProcrastinateJob.objects.filter(task_name="runs.deliver_webhook").count()


@pytest.fixture
def run(thread: Thread) -> Run:
    run = make_run(thread, kwargs={"webhook": f"https://example.com/?{SCRIPT}"})
    WebhookDelivery.objects.begin(run).end(seconds=0.25, status=503)
    WebhookDelivery.objects.begin(run).end(seconds=1, error=f"ConnectError: {SCRIPT}")
    WebhookDelivery.objects.begin(run)
    return run


def test_the_panel_shows_each_delivery_escaped(
    admin_client: Client, run: Run, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    assert url(run, "deliveries", run.pk) in page(admin_client, url(run, "change", run.pk))
    with django_assert_max_num_queries(5):
        content = page(admin_client, url(run, "deliveries", run.pk))
    assert [text in content for text in (">503<", "0.25 s", "ConnectError", "not yet")] == [True] * 4
    assert "https://example.com/" in content
    assert SCRIPT not in content


def test_only_the_latest_are_shown(admin_client: Client, thread: Thread) -> None:
    run = make_run(thread, kwargs={"webhook": "https://example.com/"})
    WebhookDelivery.objects.bulk_create(WebhookDelivery(run=run, number=n, status=500) for n in range(1, 81))
    content = page(admin_client, url(run, "deliveries", run.pk))
    assert content.count(">500<") == 50
    assert "<td>80</td>" in content


def test_a_run_without_a_webhook_has_no_panel(admin_client: Client, thread: Thread) -> None:
    run = make_run(thread)
    content = page(admin_client, url(run, "change", run.pk))
    assert "deliveries" not in content
    assert "/do/redeliver/" not in content


def test_staff_without_content_see_what_happened_but_not_where(client: Client, run: Run) -> None:
    log_in_staff(client, "runs.view_run")
    content = page(client, url(run, "deliveries", run.pk))
    assert ">503<" in content
    assert "example.com" not in content
    assert "ConnectError" not in content


def test_the_webhook_is_told_again(admin_client: Client, run: Run) -> None:
    assert "/do/redeliver/" in page(admin_client, url(run, "change", run.pk))
    do(admin_client, run, "redeliver")
    assert jobs() == 1
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(run.pk), "redeliver the webhook")


def test_from_the_list_those_without_a_webhook_are_left_alone(admin_client: Client, run: Run) -> None:
    do_to_all(admin_client, [make_run(Thread.objects.create()), run], "redeliver")
    assert jobs() == LogEntry.objects.count() == 1


@pytest.mark.parametrize("lacking", ["runs.redeliver_webhook", "threads.manage_all_threads"])
def test_it_takes_its_permission_and_access(client: Client, run: Run, lacking: str) -> None:
    needed = {"runs.redeliver_webhook", "threads.manage_all_threads"}
    log_in_staff(client, "runs.view_run", *(needed - {lacking}))
    assert do(client, run, "redeliver").status_code == 403
    assert jobs() == 0


def test_staff_who_may_redeliver_do(client: Client, run: Run) -> None:
    log_in_staff(client, "runs.view_run", "runs.redeliver_webhook", "threads.manage_all_threads")
    do(client, run, "redeliver")
    assert jobs() == 1
