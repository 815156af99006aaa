from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from threads.encoding import EncodedJSON, encode_for_jsonb
from threads.models import Thread

pytestmark = pytest.mark.django_db

JSON: list[Any] = [None, True, 1, 1.5, "", "ü💡\u2028\"\\'%s", [], {}, {"a": [None, {"b": "c"}]}]


def stored(value: Any) -> Any:
    """The value as it comes back from the database."""
    return Thread.objects.get(pk=Thread.objects.create(values={"it": value}).pk).values["it"]


@pytest.mark.parametrize("value", JSON)
def test_json_comes_back_as_it_was(value: Any) -> None:
    assert stored(value) == value


@pytest.mark.parametrize("value", [*JSON, "a\x00b", "\\u0000", "\ud800", float("nan"), 2**70, {("a",): 1}])
def test_encoded_json_comes_back_as_it_reads(value: Any) -> None:
    encoded = encode_for_jsonb({"it": value})
    thread = Thread.objects.create(values=encoded)
    assert Thread.objects.get(pk=thread.pk).values == json.loads(encoded)


def test_encoded_json_is_written_without_being_read() -> None:
    thread = Thread.objects.create()
    Thread.objects.filter(pk=thread.pk).update(values=EncodedJSON('{"a":1}'))
    thread.refresh_from_db()
    assert thread.values == {"a": 1}


def test_it_is_an_object_in_the_database_and_no_text() -> None:
    Thread.objects.create(values=EncodedJSON('{"a":{"b":1}}'))
    with connection.cursor() as cursor:
        cursor.execute("SELECT jsonb_typeof(values), values -> 'a' ->> 'b' FROM threads_thread")
        assert cursor.fetchone() == ("object", "1")


def test_none_is_null_in_the_database() -> None:
    Thread.objects.create(values=None)
    assert Thread.objects.filter(values__isnull=True).exists()


def test_an_empty_object_is_not_null() -> None:
    assert Thread.objects.get(pk=Thread.objects.create(values={}).pk).values == {}


@pytest.mark.parametrize("value", JSON)
def test_a_key_can_be_selected(value: Any) -> None:
    Thread.objects.create(values={"it": value})
    assert list(Thread.objects.values_list("values__it", flat=True)) == [value]


def test_a_key_can_be_selected_by_another_name() -> None:
    Thread.objects.create(values={"it": {"text": "x"}})
    [found] = Thread.objects.annotate(text=F("values__it__text")).values_list("text", flat=True)
    assert found == "x"


def test_rows_are_found_by_what_it_holds() -> None:
    Thread.objects.create(values={"a": {"b": 1}, "c": "x"})
    for condition in (
        {"values__contains": {"a": {"b": 1}}},
        {"values__a__b": 1},
        {"values__c": "x"},
        {"values__has_key": "c"},
        {"values__a__b__gt": 0},
    ):
        assert Thread.objects.filter(**condition).count() == 1, condition


def test_many_rows_are_written_at_once() -> None:
    Thread.objects.bulk_create(Thread(values=encode_for_jsonb({"n": n})) for n in range(3))
    assert sorted(thread.values["n"] for thread in Thread.objects.all()) == [0, 1, 2]


@pytest.mark.parametrize("number", [10**309, -(10**400)], ids=["1e309", "-1e400"])
def test_numbers_that_only_postgres_can_hold_can_be_read(number: int) -> None:
    with connection.cursor() as cursor:
        thread = Thread.objects.create(values={})
        cursor.execute("UPDATE threads_thread SET values = %s::jsonb", [json.dumps({"n": number, "a": 1})])
    assert Thread.objects.get(pk=thread.pk).values["a"] == 1
