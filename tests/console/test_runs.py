from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from runs.models import Run, RunEvent
from tests.console.pages import SCRIPT, do, do_to_all, log_in_staff, make_run, page, submit, url
from threads.models import Thread

pytestmark = pytest.mark.django_db


def messages_of(response) -> list[str]:
    return [str(message) for message in response.wsgi_request._messages]


# Lists


def test_the_list_takes_the_same_few_queries_for_many_runs(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(60):
        make_run(Thread.objects.create(), usage={"total_tokens": 1234})
    with django_assert_max_num_queries(8):
        content = page(admin_client, url(Run, "changelist"))
    assert "1,234" in content


def test_the_list_does_not_read_what_may_be_large(
    admin_client: Client, thread: Thread, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_run(thread, kwargs={"input": "x" * 10_000})
    with django_assert_max_num_queries(8) as queries:
        page(admin_client, url(Run, "changelist"))
    assert not any('"kwargs"' in query["sql"] for query in queries.captured_queries)


def test_runs_are_found_by_the_beginning_of_their_id_or_of_their_threads(
    admin_client: Client, thread: Thread
) -> None:
    run, other = make_run(thread), make_run(Thread.objects.create())
    for term in (str(run.pk), str(run.pk)[:-2], str(thread.pk)):
        content = page(admin_client, f"{url(Run, 'changelist')}?q={term}")
        assert str(run.pk) in content
        assert str(other.pk) not in content or term not in str(run.pk)


@pytest.mark.parametrize("term", ["x", "0", "'", "0" * 40, "é"])
def test_what_is_no_id_finds_nothing(admin_client: Client, thread: Thread, term: str) -> None:
    run = make_run(thread)
    assert str(run.pk) not in page(admin_client, f"{url(Run, 'changelist')}?q={term}")


# The page of a run


def test_the_page_shows_input_config_and_error(admin_client: Client, thread: Thread) -> None:
    kwargs = {"input": {"question": SCRIPT}, "config": {"recursion_limit": 4711}}
    error = {"error": "ValueError", "message": f"no {SCRIPT}"}
    run = make_run(thread, "error", kwargs=kwargs, error=error, finished_at=timezone.now())
    content = page(admin_client, url(run, "change", run.pk))
    assert "4711" in content
    assert "ValueError" in content
    assert "&lt;script&gt;" in content
    assert SCRIPT not in content


def test_the_page_takes_few_queries(
    admin_client: Client, thread: Thread, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    run = make_run(thread)
    with django_assert_max_num_queries(6):
        page(admin_client, url(run, "change", run.pk))


def test_a_large_input_is_cut(admin_client: Client, thread: Thread) -> None:
    run = make_run(thread, kwargs={"input": {"many": list(range(100_000)), "long": "y" * 100_000}})
    assert len(page(admin_client, url(run, "change", run.pk))) < 1_000_000


def test_an_input_that_nests_deep_is_shown(admin_client: Client, thread: Thread) -> None:
    nested: object = "core"
    for _ in range(200):
        nested = [nested]
    run = make_run(thread, kwargs={"input": nested})
    page(admin_client, url(run, "change", run.pk))


def test_staff_without_the_permission_see_no_content(client: Client, thread: Thread) -> None:
    log_in_staff(client, "runs.view_run")
    secret = "what was said"
    run = make_run(thread, kwargs={"input": secret}, metadata={"note": secret}, error={"message": secret})
    assert secret not in page(client, url(run, "change", run.pk))
    assert client.get(url(run, "events", run.pk)).status_code == 403


def test_the_runs_of_a_thread_show_errors_and_tracebacks_escaped(client: Client, thread: Thread) -> None:
    log_in_staff(client, "threads.view_thread", "runs.view_run")
    error = {"error": "ValueError", "message": SCRIPT}
    run = make_run(thread, "error", error=error, traceback=f"Traceback {SCRIPT}")
    assert "ValueError" not in page(client, url(thread, "runs", thread.pk))
    assert client.get(url(run, "failure", run.pk)).status_code == 403
    User.objects.update(is_superuser=True)
    rows, whole = page(client, url(thread, "runs", thread.pk)), page(client, url(run, "failure", run.pk))
    assert "ValueError" in rows
    assert "Traceback &lt;script" in whole
    assert SCRIPT not in rows + whole + page(client, url(run, "change", run.pk))


@pytest.mark.parametrize(
    "error", [None, "text", [], {"error": 5}, {"message": {"a": 1}}, {"error": "x" * 9999}]
)
def test_odd_errors_are_shown(admin_client: Client, thread: Thread, error: object) -> None:
    run = make_run(thread, "error", error=error)
    page(admin_client, url(run, "failure", run.pk))
    assert len(page(admin_client, url(thread, "runs", thread.pk))) < 50_000


# The log


@pytest.fixture
def logged(thread: Thread) -> Run:
    run = make_run(thread)
    events = [
        ("values" if seq % 2 else "messages|sub:1", f'"number {seq} {SCRIPT}"') for seq in range(1, 251)
    ]
    RunEvent.objects.bulk_create(
        RunEvent(run=run, seq=seq, event=event, data=data) for seq, (event, data) in enumerate(events, 1)
    )
    return run


def test_the_log_is_paged(admin_client: Client, logged: Run) -> None:
    first = page(admin_client, url(logged, "events", logged.pk))
    assert "number 100 " in first
    assert "number 101 " not in first
    assert "after=100" in first
    last = page(admin_client, url(logged, "events", logged.pk) + "?after=200")
    assert "number 250 " in last
    assert "after=" not in last


def test_the_log_is_shown_by_mode_with_its_subgraphs(admin_client: Client, logged: Run) -> None:
    content = page(admin_client, url(logged, "events", logged.pk) + "?mode=messages")
    assert "number 2 " in content
    assert "number 3 " not in content
    assert "after=200" in content


def test_the_log_is_escaped_and_comes_as_a_part_or_as_a_page(admin_client: Client, logged: Run) -> None:
    part = page(admin_client, url(logged, "events", logged.pk), **{"X-Console-Panel": "1"})
    whole = page(admin_client, url(logged, "events", logged.pk))
    assert "<html" not in part
    assert "<html" in whole
    assert SCRIPT not in part + whole


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=99999999999999999999", "mode=%00", "mode='"])
def test_odd_pages_of_the_log_are_no_errors(admin_client: Client, logged: Run, query: str) -> None:
    page(admin_client, url(logged, "events", logged.pk) + f"?{query}")


# Verbs


def test_a_waiting_run_is_cancelled_from_its_page(admin_client: Client, thread: Thread) -> None:
    run = submit(thread)
    do(admin_client, run, "cancel")
    run.refresh_from_db()
    entry = LogEntry.objects.get()
    assert run.status == "interrupted"
    assert (entry.object_id, entry.change_message) == (str(run.pk), "cancel")


def test_rolling_back_asks_first_and_is_logged_as_a_deletion(admin_client: Client, thread: Thread) -> None:
    run = submit(thread)
    response = admin_client.post(url(run, "verb", run.pk, "rollback"))
    assert b"Are you sure" in response.content
    assert Run.objects.filter(pk=run.pk).exists()
    assert do(admin_client, run, "rollback").headers["Location"] == url(Run, "changelist")
    assert not Run.objects.exists()
    assert LogEntry.objects.get().is_deletion()


def test_runs_that_failed_are_retried_from_the_list(admin_client: Client) -> None:
    runs = [make_run(Thread.objects.create(), "error") for _ in range(3)]
    do_to_all(admin_client, runs, "retry")
    assert {run.status for run in Run.objects.all()} == {"pending"}
    assert LogEntry.objects.count() == 3


def test_what_cannot_be_done_is_said_and_not_logged(admin_client: Client, thread: Thread) -> None:
    run = make_run(thread, "success")
    for verb in ("cancel", "retry"):
        *_, message = messages_of(do(admin_client, run, verb))
        assert str(run.pk) in message
    assert not LogEntry.objects.exists()


def test_one_that_fails_does_not_hold_up_the_others(admin_client: Client) -> None:
    good, bad = make_run(Thread.objects.create(), "error"), make_run(Thread.objects.create(), "success")
    do_to_all(admin_client, [bad, good], "retry")
    assert {run.pk: run.status for run in Run.objects.all()} == {good.pk: "pending", bad.pk: "success"}


@pytest.mark.parametrize("verb", ["cancel", "rollback", "retry"])
def test_verbs_take_their_permission(client: Client, thread: Thread, verb: str) -> None:
    log_in_staff(client, "runs.view_run")
    run = make_run(thread, "error") if verb == "retry" else submit(thread)
    before = run.status
    assert do(client, run, verb).status_code == 403
    do_to_all(client, [run], verb, confirmed="yes")
    assert Run.objects.get().status == before
    content = page(client, url(run, "change", run.pk)) + page(client, url(Run, "changelist"))
    assert f"/do/{verb}/" not in content
    assert f'value="{verb}"' not in content


def test_staff_who_may_cancel_do(client: Client, thread: Thread) -> None:
    log_in_staff(client, "runs.view_run", "runs.cancel_run", "threads.manage_all_threads")
    run = submit(thread)
    do(client, run, "cancel")
    assert Run.objects.get().status == "interrupted"


def test_verbs_that_are_not_there_are_not_found(admin_client: Client, thread: Thread) -> None:
    assert do(admin_client, make_run(thread), "explode").status_code == 404
