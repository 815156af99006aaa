from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from threads.encoding import encode_for_jsonb
from threads.models import Thread

pytestmark = pytest.mark.django_db


VALUES = {"title": "Mine", "messages": [{"content": "hi"}, {"content": "ho"}], "none": None}


def make(title: str, **fields: Any) -> Thread:
    return Thread.objects.create(**{"metadata": {"title": title}, **fields})


def search(api: APIClient, **body: Any) -> list[dict[str, Any]]:
    response = api.post("/threads/search", body)
    assert response.status_code == 200, response.content
    return list(response.json())


def titles(api: APIClient, **body: Any) -> list[str]:
    return [thread["metadata"]["title"] for thread in search(api, **body)]


def test_it_finds_the_newest_first(api: APIClient) -> None:
    for title in "abc":
        make(title)
    assert titles(api) == ["c", "b", "a"]


def test_it_shows_threads_as_they_are_shown_alone(api: APIClient) -> None:
    thread = make("a", values={"text": "x"}, interrupts={"task": []})
    assert search(api) == [api.get(f"/threads/{thread.pk}").json()]


def test_it_finds_ten_unless_told_otherwise(api: APIClient) -> None:
    Thread.objects.bulk_create(Thread() for _ in range(12))
    assert len(search(api)) == 10
    assert len(search(api, limit=12)) == 12


def test_it_finds_by_metadata_however_deep(api: APIClient) -> None:
    make("a", metadata={"title": "a", "graph_id": "echo", "deep": {"x": 1, "y": [1, 2]}})
    make("b")
    assert titles(api, metadata={"graph_id": "echo"}) == ["a"]
    assert titles(api, metadata={"deep": {"y": [2]}, "title": "a"}) == ["a"]
    assert titles(api, metadata={"deep": {"y": [3]}}) == []
    assert titles(api, metadata={"graph_id": None}) == []


def test_it_finds_by_values_though_some_threads_have_none(api: APIClient) -> None:
    make("a", values={"text": "x", "n": 1})
    make("b", values=encode_for_jsonb({"text": "y"}))
    make("c", values=None)
    assert titles(api, values={"text": "y"}) == ["b"]
    assert titles(api, values={"n": 1, "text": "x"}) == ["a"]
    assert titles(api, values={"n": None}) == []


@pytest.mark.parametrize("status", Thread.Status.values)
def test_it_finds_by_status(api: APIClient, status: str) -> None:
    for each in Thread.Status.values:
        make(each, status=each)
    assert titles(api, status=status) == [status]


def test_it_finds_by_ids(api: APIClient) -> None:
    a, b, _ = (make(title) for title in "abc")
    assert titles(api, ids=[str(a.pk), str(b.pk), str(uuid.uuid4())]) == ["b", "a"]


def test_all_conditions_must_hold(api: APIClient) -> None:
    a = make("a", status="busy")
    make("b", status="busy")
    assert titles(api, ids=[str(a.pk)], status="busy", metadata={"title": "a"}) == ["a"]
    assert titles(api, ids=[str(a.pk)], status="busy", metadata={"title": "b"}) == []


def test_conditions_hold_before_the_page_is_cut(api: APIClient) -> None:
    make("a", status="busy")
    for _ in range(5):
        make("later")
    assert titles(api, status="busy", limit=1) == ["a"]


def test_null_and_unknown_keys_are_no_conditions(api: APIClient) -> None:
    make("a")
    null = dict.fromkeys(["ids", "metadata", "values", "status", "sort_by", "sort_order"])
    assert titles(api, **null, sortBy="x") == ["a"]


# Sorting


@pytest.mark.parametrize("field", ["created_at", "updated_at", "state_updated_at"])
def test_it_sorts_by_time(api: APIClient, field: str) -> None:
    now = timezone.now()
    for title, hours in (("b", 2), ("c", 3), ("a", 1)):
        make(title, **{field: now + timedelta(hours=hours)})
    assert titles(api, sort_by=field) == ["c", "b", "a"]
    assert titles(api, sort_by=field, sort_order="desc") == ["c", "b", "a"]
    assert titles(api, sort_by=field, sort_order="asc") == ["a", "b", "c"]


def test_it_sorts_by_id_and_by_status(api: APIClient) -> None:
    make("b", id=uuid.UUID(int=2), status="busy")
    make("a", id=uuid.UUID(int=1), status="idle")
    assert titles(api, sort_by="thread_id", sort_order="asc") == ["a", "b"]
    assert titles(api, sort_by="status", sort_order="asc") == ["b", "a"]


def test_threads_made_at_the_same_moment_have_an_order_all_the_same(api: APIClient) -> None:
    now = timezone.now()
    Thread.objects.bulk_create(Thread(created_at=now, metadata={"title": str(n)}) for n in range(9))
    pages = [titles(api, limit=2, offset=offset) for offset in range(0, 9, 2)]
    assert sorted(title for page in pages for title in page) == [str(n) for n in range(9)]


# Pages


def test_headers_say_where_the_next_page_begins(api: APIClient) -> None:
    for title in "abcde":
        make(title)
    response = api.post("/threads/search", {"limit": 2, "offset": 1})
    assert response.headers["x-pagination-next"] == "3"
    assert int(response.headers["x-pagination-total"]) >= 4


def test_the_last_page_names_no_next_one_and_says_how_many_there_are(api: APIClient) -> None:
    for title in "abc":
        make(title)
    response = api.post("/threads/search", {"limit": 2, "offset": 1})
    assert "x-pagination-next" not in response.headers
    assert response.headers["x-pagination-total"] == "3"


def test_a_page_beyond_the_end_is_empty(api: APIClient) -> None:
    make("a")
    assert search(api, offset=2**31) == []


def test_one_query_reads_a_page_of_any_size(
    api: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Thread.objects.bulk_create(Thread(values={"n": n}) for n in range(200))
    with django_assert_num_queries(0):  # and one past the models
        assert len(search(api, limit=200, values={})) == 200


def test_the_number_of_queries_is_the_same_for_a_user_with_many_threads(
    client_of: Callable[[User], APIClient], alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Thread.objects.bulk_create(Thread(owner=alice) for _ in range(50))
    api = client_of(alice)
    with django_assert_num_queries(4):  # session, user, two of permissions; and one past the models
        assert len(search(api, limit=50)) == 50


# What is shown


def test_only_what_is_asked_for_is_shown(api: APIClient) -> None:
    thread = make("a")
    assert search(api, select=["thread_id", "status"]) == [{"thread_id": str(thread.pk), "status": "idle"}]


@pytest.mark.parametrize("select", [None, []])
def test_asking_for_nothing_in_particular_shows_all(api: APIClient, select: Any) -> None:
    thread = make("a")
    assert search(api, select=select) == [api.get(f"/threads/{thread.pk}").json()]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("values.title", "Mine"),
        ("values.messages[0].content", "hi"),
        ("values.messages[-1].content", "ho"),
        ("values", VALUES),
        ("metadata.title", "a"),
        ("values.nobody", None),
        ("values.title.nobody", None),
        ("values.messages[7].content", None),
        ("values.messages.content", None),
        ("values.none.nobody", None),
        ("interrupts.nobody[0]", None),
    ],
)
def test_what_stands_at_a_path_is_shown_by_its_alias(api: APIClient, path: str, found: Any) -> None:
    make("a", values=VALUES)
    [thread] = search(api, extract={"it": path}, select=["thread_id"])
    assert thread["extracted"] == {"it": found}
    assert thread.keys() == {"thread_id", "extracted"}


def test_threads_without_values_have_nothing_at_a_path(api: APIClient) -> None:
    make("a", values=None)
    assert search(api, extract={"it": "values.title"})[0]["extracted"] == {"it": None}


@pytest.mark.parametrize(
    "path",
    ["", ".", "[0]", "owner.password", "values..title", "values[", "values[a]", "thread_id", 1, None, {}],
)
def test_a_path_that_leads_nowhere_is_unprocessable(api: APIClient, path: Any) -> None:
    response = api.post("/threads/search", {"extract": {"it": path}})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("extract")


# Bodies that are refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ids", "text"),
        ("ids", ["mine"]),
        ("ids", [None]),
        ("ids", [{"a": 1}]),
        ("ids", [str(uuid.UUID(int=0))] * 1001),
        ("metadata", []),
        ("values", "text"),
        ("status", "bogus"),
        ("status", ["idle"]),
        ("limit", 0),
        ("limit", 1001),
        ("limit", "many"),
        ("limit", None),
        ("offset", -1),
        ("offset", 2**40),
        ("sort_by", "owner__password"),
        ("sort_by", {"a": 1}),
        ("sort_order", "up"),
        ("select", ["owner"]),
        ("select", "status"),
        ("extract", ["values.title"]),
    ],
)
def test_a_wrong_value_is_unprocessable_and_named(api: APIClient, field: str, value: Any) -> None:
    response = api.post("/threads/search", {field: value})
    assert response.status_code == 422
    assert response.json()["detail"].startswith(field)
    assert list(response.json()["errors"]) == [field]


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_a_search_is_a_post(api: APIClient, method: str) -> None:
    assert getattr(api, method)("/threads/search").status_code == 405
