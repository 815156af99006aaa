from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker
from pytest_django import DjangoAssertNumQueries

from assistants import introspection
from assistants.console.picture import picture
from assistants.graphs import registry
from assistants.models import Assistant
from runs.admin import dashboard
from tests.console.pages import SCRIPT, log_in_staff, make_run, page, submit, url
from tests.threads.running import execute
from threads.models import Thread

pytestmark = pytest.mark.django_db

DASHBOARD = "/admin/runs/run/dashboard/"


# The dashboard


def test_it_counts_the_runs_of_the_last_day(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for status in ("success", "success", "success", "error"):
        make_run(Thread.objects.create(), status, usage={"total_tokens": 100})
    submit(Thread.objects.create())
    with django_assert_max_num_queries(14):
        content = page(admin_client, DASHBOARD)
    assert "25.0 %" in content
    assert "5 runs in 24 hours" in content
    assert ">400<" in content
    assert "3 success</title>" in content


def test_older_runs_do_not_count() -> None:
    import uuid

    old = timezone.now() - timedelta(days=3)
    make_run(
        Thread.objects.create(), created_at=old, id=uuid.UUID(int=int(old.timestamp() * 1000) << 80 | 7 << 76)
    )
    assert dashboard.measured()["total"] == 0


def test_odd_usage_is_no_error() -> None:
    odd: list[object] = [None, [], "x", {"total_tokens": "many"}, {"total_tokens": 1.5}]
    for usage in odd:
        make_run(Thread.objects.create(), usage=usage)
    assert dashboard.measured()["total"] == 5


def test_it_takes_the_permission_to_view_runs(client: Client) -> None:
    log_in_staff(client, "threads.view_thread")
    assert client.get(DASHBOARD).status_code == 403
    assert DASHBOARD not in page(client, reverse("admin:index"))


def test_the_index_shows_it(admin_client: Client) -> None:
    assert f'data-panel-now="{DASHBOARD}"' in page(admin_client, reverse("admin:index"))


# Graphs


@pytest.mark.parametrize("xray", ["0", "1", "3", "-1", "x", "99999999999"])
def test_the_graph_of_an_assistant_is_drawn(admin_client: Client, xray: str) -> None:
    assistant = Assistant.objects.create(graph_id="sub", name="sub")
    content = page(admin_client, url(assistant, "graph", assistant.pk) + f"?xray={xray}")
    assert "<svg" in content


def test_every_graph_can_be_drawn() -> None:
    for graph_id in registry.ids():
        drawn = introspection.drawing(registry.build(graph_id), xray=True)
        assert picture(drawn).count("<rect") == len(drawn["nodes"])


def test_the_schemas_are_shown(admin_client: Client) -> None:
    assistant = Assistant.objects.create(graph_id="echo", name="echo")
    assert "input_schema" in page(admin_client, url(assistant, "schemas", assistant.pk))


def test_an_assistant_whose_graph_is_gone_is_shown(admin_client: Client) -> None:
    assistant = Assistant.objects.create(graph_id="gone", name="gone")
    page(admin_client, url(assistant, "change", assistant.pk))
    for name in ("graph", "schemas"):
        assert admin_client.get(url(assistant, name, assistant.pk)).status_code == 404


def draw(*edges: tuple[str, str], **options):
    names = dict.fromkeys(name for edge in edges for name in edge)
    nodes = [{"id": name} for name in names]
    return picture({"nodes": nodes, "edges": [{"source": a, "target": b} for a, b in edges]}, **options)


def test_names_of_nodes_are_escaped_and_cut() -> None:
    drawn = draw((SCRIPT, "b"), ("b", "x" * 100))
    assert "<script" not in drawn
    assert "x" * 30 not in drawn.rpartition("<title>")[2].partition("</title>")[2]


@pytest.mark.parametrize(
    "edges",
    [
        [("a", "a")],
        [("a", "b"), ("b", "a")],
        [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")],
        [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "d")],
        [(f"n{n}", f"n{n + 1}") for n in range(100)],
    ],
)
def test_loops_and_long_chains_are_drawn(edges: list[tuple[str, str]]) -> None:
    assert draw(*edges).count("<path") == len(edges) + 1


def test_what_is_next_stands_out() -> None:
    assert draw(("a", "b"), marked=["b"]).count("console-next") == 1


def test_a_graph_too_large_is_not_drawn() -> None:
    assert draw(*((f"n{n}", f"n{n + 1}") for n in range(500))) == ""


def test_the_graph_of_a_thread_is_drawn(admin_client: Client) -> None:
    thread = Thread.objects.create(metadata={"graph_id": "interrupting"}, owner=None)
    assert "<svg" in page(admin_client, url(thread, "graph", thread.pk))
    gone = Thread.objects.create(metadata={"graph_id": "gone"})
    assert "cannot be drawn" in page(admin_client, url(gone, "graph", gone.pk))


def test_the_nodes_that_are_next_are_marked_for_all_who_see_the_thread(
    client: Client, thread: Thread
) -> None:
    execute(thread, "interrupting", {"question": SCRIPT})
    log_in_staff(client, "threads.view_thread")
    content = page(client, url(thread, "graph", thread.pk))
    assert content.count("console-next") == 1
    assert "Next: ask" in content
    assert "alert" not in content
    Thread.objects.filter(pk=thread.pk).update(status="busy")
    assert "Now: ask" in page(client, url(thread, "graph", thread.pk))


def test_the_next_nodes_of_a_large_state_are_not_looked_for(admin_client: Client, thread: Thread) -> None:
    execute(thread, "interrupting", {"question": "sure?"})
    Thread.objects.filter(pk=thread.pk).update(values={"x": [str(n) * 8 for n in range(400_000)]})
    content = page(admin_client, url(thread, "graph", thread.pk))
    assert "too large" in content
    assert "console-next" not in content


# The queue


def test_jobs_and_workers_are_only_looked_at(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    runs = [submit(Thread.objects.create()) for _ in range(20)]
    with django_assert_max_num_queries(10):
        content = page(admin_client, url(ProcrastinateJob, "changelist"))
    assert all(str(run.pk) in content for run in runs)
    assert 'name="action"' not in content
    job = ProcrastinateJob.objects.get(pk=runs[0].job_id)
    assert "deferred" in page(admin_client, url(job, "change", job.pk))
    assert admin_client.post(url(job, "change", job.pk), {}).status_code == 403
    assert admin_client.post(url(job, "delete", job.pk), {"post": "yes"}).status_code == 403
    assert f"{job.pk}" in page(admin_client, f"{url(ProcrastinateJob, 'changelist')}?q={job.pk}")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
    assert "True" in page(admin_client, url(ProcrastinateWorker, "changelist"))


# All pages


def test_no_page_has_inline_scripts_or_styles(admin_client: Client, thread: Thread) -> None:
    """Those of Django's own admin aside, which has none either."""
    run = submit(thread)
    assistant = run.assistant
    pages = [
        url(thread, "change", thread.pk),
        url(run, "change", run.pk),
        url(assistant, "graph", assistant.pk),
    ]
    pages += [url(thread, "conversation", thread.pk), url(thread, "checkpoints", thread.pk), DASHBOARD]
    pages += [url(model, "changelist") for model in admin.site._registry if model in (Thread, type(run))]
    for address in pages:
        content = page(admin_client, address)
        assert "<script>" not in content, address
        assert " style=" not in content, address
        assert " onclick=" not in content, address
