from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from tests.console.pages import log_in_staff, page, url
from threads.admin import search
from threads.models import Thread
from threads.text_search import ThreadText

pytestmark = pytest.mark.django_db


def saying(*texts: str, **fields: object) -> Thread:
    messages = [{"type": "human", "content": text} for text in texts]
    return Thread.objects.create(values={"messages": messages}, **fields)


def found(client: Client, term: str, **filters: str) -> set[object]:
    response = client.get(url(Thread, "changelist"), {"q": term, **filters})
    return {thread.pk for thread in response.context["cl"].result_list}


def test_threads_are_found_by_what_was_said_in_any_message(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    thread = saying("hello", "my Parcel is late", "order 4711")
    saying("hello", "another")
    ThreadText.objects.fill(seconds=30)
    for term in ("parcel", "PARCEL late", "parc", "4711 hello", "is late"):
        assert found(admin_client, term) == {thread.pk}, term
    assert found(admin_client, "parcel another") == found(admin_client, "parcels") == set()
    with django_assert_max_num_queries(13):
        page(admin_client, url(Thread, "changelist") + "?q=parcel")


def test_what_was_said_just_now_is_found_by_the_title(admin_client: Client) -> None:
    assert found(admin_client, "parcel") == set()
    thread = saying("my parcel")
    assert found(admin_client, "parcel") == {thread.pk}


def test_short_words_are_no_beginnings(admin_client: Client) -> None:
    saying("hello", "parcel")
    thread = saying("hello", "pa is home")
    ThreadText.objects.fill(seconds=30)
    assert found(admin_client, "pa") == {thread.pk}


def test_filters_hold_too(admin_client: Client) -> None:
    saying("hello", "parcel")
    thread = saying("hello", "parcel", status="error")
    ThreadText.objects.fill(seconds=30)
    assert found(admin_client, "parcel", status__exact="error") == {thread.pk}


def test_of_more_than_are_found_filters_and_rights_choose_first(
    admin_client: Client, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_FOUND", 2)
    thread = saying("hello", "parcel", status="error", owner=admin_user)
    for _ in range(3):
        saying("hello", "parcel")
    ThreadText.objects.fill(seconds=30)
    assert thread.pk not in found(admin_client, "parcel")
    assert found(admin_client, "parcel", status__exact="error") == {thread.pk}


def test_old_titles_are_found_where_no_texts_are_kept(admin_client: Client, settings: Settings) -> None:
    settings.SKEINO_SEARCH_MESSAGES = False
    thread = saying("my parcel", created_at=timezone.now() - timedelta(days=9))
    assert found(admin_client, "parcel") == {thread.pk}


def test_the_newest_are_found_first(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_FOUND", 3)
    threads = [saying("hello", "parcel") for _ in range(6)]
    ThreadText.objects.fill(seconds=30)
    assert found(admin_client, "parcel") == {thread.pk for thread in threads[3:]}


def test_messages_are_for_those_who_may_read_and_of_threads_they_see(
    client: Client, admin_user: User
) -> None:
    saying("hello", "parcel", owner=admin_user)
    ThreadText.objects.fill(seconds=30)
    staff = log_in_staff(client, "threads.view_thread")
    assert found(client, "parcel") == set()
    staff.delete()
    staff = log_in_staff(client, "threads.view_thread", "threads.view_thread_content")
    assert len(found(client, "parcel")) == 1
    staff.user_permissions.remove(staff.user_permissions.get(codename="view_all_threads"))
    assert found(client, "parcel") == set()
