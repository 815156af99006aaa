"""How many queries each page and panel takes, however much there is."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from runs.models import Run
from tests.console.pages import log_in_staff, make_run, page, url
from tests.console.test_waterfall import log, task
from tests.threads.running import execute, human
from threads.models import Thread

pytestmark = pytest.mark.django_db

# The session, its user, the object; then what the page is about.
PANELS = {
    "conversation": 5,
    "state": 4,
    "interrupts": 5,
    "checkpoints": 4,
    "graph": 9,
    "runs": 4,
    "edit_state": 5,
}


def grown(count: int) -> Thread:
    """A thread with so many runs, and some checkpoints."""
    thread = Thread.objects.create()
    execute(thread, "echo", human("hi"))
    for _ in range(count):
        make_run(thread, "error", usage={"total_tokens": 7}, error={"error": "E", "message": "m"})
    return thread


@pytest.mark.parametrize("count", [1, 15])
@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_of_a_thread_takes_few_queries(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries, panel: str, count: int
) -> None:
    thread = grown(count)
    with django_assert_max_num_queries(PANELS[panel]):
        page(admin_client, url(thread, panel, thread.pk))


@pytest.mark.parametrize("count", [1, 15])
def test_the_page_of_a_thread_takes_few_queries(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    thread = grown(count)
    with django_assert_max_num_queries(13):
        page(admin_client, url(thread, "change", thread.pk))


def test_so_it_does_for_staff_whose_access_is_asked_for(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    permissions = ["view_thread", "change_thread", "delete_thread", "add_thread", "view_thread_content"]
    permissions += ["change_state", "share_thread", "manage_all_threads"]
    log_in_staff(client, *(f"threads.{name}" for name in permissions), "runs.add_run", "runs.cancel_run")
    thread = grown(2)
    with django_assert_max_num_queries(18):
        page(client, url(thread, "change", thread.pk))


@pytest.mark.parametrize("count", [1, 150])
@pytest.mark.parametrize(("part", "most"), [("change", 6), ("times", 5), ("events", 6), ("failure", 4)])
def test_a_run_takes_few_queries(
    admin_client: Client,
    thread: Thread,
    django_assert_max_num_queries: DjangoAssertNumQueries,
    part: str,
    most: int,
    count: int,
) -> None:
    run: Run = make_run(thread)
    log(run, *((n, "tasks", task(str(n), "node")) for n in range(count)))
    with django_assert_max_num_queries(most):
        page(admin_client, url(run, part, run.pk))
