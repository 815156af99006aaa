"""Verbs that ask for something before they are done, and deletions."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client

from runs.models import Run
from tests.console.pages import SCRIPT, do, do_to_all, log_in_staff, make_run, page, submit, url
from threads.models import Thread

pytestmark = pytest.mark.django_db

MANAGES = ("threads.view_thread", "threads.manage_all_threads")


@pytest.fixture
def group() -> Group:
    return Group.objects.create(name=SCRIPT)


def test_a_thread_is_shared_with_a_group(admin_client: Client, thread: Thread, group: Group) -> None:
    asked = admin_client.post(url(thread, "verb", thread.pk, "share"))
    assert f'<option value="{group.pk}">' in asked.content.decode()
    assert SCRIPT not in asked.content.decode()
    do(admin_client, thread, "share", group=str(group.pk), access="run")
    assert [(share.group, share.access) for share in thread.shares.all()] == [(group, "run")]
    assert LogEntry.objects.get().change_message == "share"


def test_many_threads_are_shared_at_once(admin_client: Client, group: Group) -> None:
    threads = [Thread.objects.create() for _ in range(3)]
    asked = do_to_all(admin_client, threads, "share").content.decode()
    assert all(f'value="{thread.pk}"' in asked for thread in threads)
    do_to_all(admin_client, threads, "share", confirmed="yes", group=str(group.pk), access="read")
    assert [thread.shares.count() for thread in threads] == [1, 1, 1]
    assert LogEntry.objects.count() == 3


def test_only_groups_of_ones_own_are_offered(client: Client, thread: Thread, group: Group) -> None:
    staff = log_in_staff(client, *MANAGES, "threads.share_thread", "threads.change_thread")
    assert do(client, thread, "share", group=str(group.pk), access="read").status_code == 200
    assert "&lt;script" not in page(client, url(thread, "change", thread.pk))
    assert not thread.shares.exists()
    staff.groups.add(group)
    assert "&lt;script" in page(client, url(thread, "change", thread.pk))
    assert do(client, thread, "share", group=str(group.pk), access="read").status_code == 302
    assert thread.shares.count() == 1


@pytest.mark.parametrize(("minutes", "expires"), [("5", True), ("", False)])
def test_a_time_to_live_is_set_and_taken_away(
    admin_client: Client, thread: Thread, minutes: str, expires: bool
) -> None:
    thread.patch(ttl={"ttl": 7.0})
    do(admin_client, thread, "ttl", minutes=minutes, strategy="keep_latest")
    thread.refresh_from_db()
    assert thread.ttl_strategy == "keep_latest"
    assert (thread.expires_at is not None) == expires
    assert LogEntry.objects.get().change_message == "set the time to live"


@pytest.mark.parametrize(
    ("verb", "form"),
    [
        ("ttl", {"minutes": "-1", "strategy": "delete"}),
        ("ttl", {"minutes": "1e300", "strategy": "delete"}),
        ("ttl", {"minutes": "nan", "strategy": "delete"}),
        ("ttl", {"minutes": "1", "strategy": "explode"}),
        ("share", {"group": "0", "access": "read"}),
        ("share", {"group": "x", "access": "manage"}),
    ],
)
def test_what_is_wrong_is_asked_again(
    admin_client: Client, thread: Thread, verb: str, form: dict[str, str]
) -> None:
    response = do(admin_client, thread, verb, **form)
    assert b"errorlist" in response.content
    assert not LogEntry.objects.exists()
    assert Thread.objects.get().expires_at is None


@pytest.mark.parametrize(
    ("verb", "permission"), [("share", "threads.share_thread"), ("ttl", "threads.change_thread")]
)
def test_verbs_take_their_permission_and_access(
    client: Client, thread: Thread, group: Group, verb: str, permission: str
) -> None:
    form = {"group": str(group.pk), "access": "read", "minutes": "1", "strategy": "delete"}
    staff = log_in_staff(client, *MANAGES)
    assert do(client, thread, verb, **form).status_code == 403
    staff.delete()
    log_in_staff(client, "threads.view_thread", permission)
    assert do(client, thread, verb, **form).status_code == 403
    do_to_all(client, [thread], verb, confirmed="yes", **form)
    assert not thread.shares.exists()
    assert Thread.objects.get().expires_at is None


def test_chosen_runs_are_deleted_after_a_question_and_active_ones_stopped(admin_client: Client) -> None:
    runs = [submit(Thread.objects.create()), make_run(Thread.objects.create())]
    assert b"Are you sure" in do_to_all(admin_client, runs, "delete_selected").content
    assert Run.objects.count() == 2
    do_to_all(admin_client, runs, "delete_selected", post="yes")
    assert not Run.objects.exists()
    assert {thread.status for thread in Thread.objects.all()} == {"idle"}
    assert LogEntry.objects.filter(action_flag=3).count() == 2


def test_chosen_threads_are_rolled_back_after_a_question(admin_client: Client) -> None:
    threads = [Thread.objects.create() for _ in range(2)]
    for thread in threads:
        submit(thread)
    assert b"Are you sure" in do_to_all(admin_client, threads, "rollback").content
    do_to_all(admin_client, threads, "rollback", confirmed="yes")
    assert not Run.objects.exists()
    assert LogEntry.objects.count() == 2


def test_staff_without_the_permission_delete_no_runs(client: Client, thread: Thread) -> None:
    log_in_staff(client, "runs.view_run", "threads.manage_all_threads")
    run = make_run(thread)
    do_to_all(client, [run], "delete_selected", post="yes")
    assert Run.objects.exists()
    assert "delete_selected" not in page(client, url(Run, "changelist"))
