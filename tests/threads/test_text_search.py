from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.postgres.search import SearchQuery
from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from tests.runs.engine import at_once
from tests.tasks import execute_task
from tests.threads.running import human
from threads import state, tasks, text_search
from threads.models import Thread
from threads.text_search import ThreadText

pytestmark = pytest.mark.django_db


@pytest.fixture
def committed(transactional_db: None) -> Iterator[None]:
    yield
    with connection.cursor() as cursor:  # what Django does not know as its own
        cursor.execute("TRUNCATE procrastinate_jobs CASCADE")


def saying(*contents: Any, **fields: Any) -> Thread:
    messages = [{"type": "human", "content": content} for content in contents]
    return Thread.objects.create(values={"messages": messages}, **fields)


def fill(**options: Any) -> bool:
    return ThreadText.objects.fill(**{"seconds": 30, **options})


def found(word: str) -> set[uuid.UUID]:
    query = SearchQuery(word, config="simple")
    return set(ThreadText.objects.filter(words=query).values_list("pk", flat=True))


@pytest.mark.parametrize(
    "content",
    [
        "my parcel is late",
        ["parcel"],
        [{"type": "text", "text": "a parcel"}, {"type": "image_url", "image_url": {"url": "data:"}}],
        {"text": "parcel"},
    ],
)
def test_texts_are_found_wherever_a_message_has_them(content: Any) -> None:
    thread = saying("hello", content)
    assert fill()
    assert found("parcel") == {thread.pk}


@pytest.mark.parametrize(
    "values", [None, [], "parcel", 5, {"messages": "parcel"}, {"messages": [None, 3, {"content": 4}]}, {}]
)
def test_states_without_messages_have_no_words(values: Any) -> None:
    Thread.objects.create(values=values)
    assert fill()
    assert found("parcel") == set()


def test_what_was_said_later_is_taken_up_and_what_is_gone_is_forgotten() -> None:
    thread = saying("early")
    fill()
    later = timezone.now()
    values = {"messages": [{"type": "human", "content": "late"}]}
    Thread.objects.filter(pk=thread.pk).update(values=values, state_updated_at=later)
    fill()
    assert (found("early"), found("late")) == (set(), {thread.pk})


def test_an_edited_state_is_taken_up() -> None:
    thread = Thread.objects.create(metadata={"graph_id": "echo"})
    state.update(thread, [human("parcel")])
    fill()
    assert found("parcel") == {thread.pk}


def test_what_has_not_changed_is_not_written_again() -> None:
    saying("parcel")
    fill()
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid FROM threads_threadtext")
        before = cursor.fetchall()
        fill()
        fill(everywhere=True)
        cursor.execute("SELECT ctid FROM threads_threadtext")
        assert cursor.fetchall() == before


def test_only_what_changed_since_is_looked_for_but_once_an_hour() -> None:
    """An old state that nobody has taken up is one whose row was locked, or whose clock was wrong."""
    saying("new")
    fill()
    missed = saying("missed", state_updated_at=timezone.now() - timedelta(hours=2))
    execute_task(tasks.index_text, 3599)
    assert found("missed") == set()
    execute_task(tasks.index_text, 3600)
    assert found("missed") == {missed.pk}


def test_a_clock_that_is_ahead_hides_nothing() -> None:
    saying("tomorrow", state_updated_at=timezone.now() + timedelta(days=1))
    fill()
    thread = saying("parcel")
    fill()
    assert found("parcel") == {thread.pk}


def test_threads_made_for_one_run_are_left_out() -> None:
    saying("parcel", temporary=True)
    fill()
    assert not ThreadText.objects.exists()


@pytest.mark.parametrize(
    "text",
    [
        "x" * 3_000_000,
        " ".join(f"{n:x}" for n in range(200_000)),
        " ".join(chr(0x20000 + n) for n in range(40_000)) * 3,
        " ".join(chr(0x4E00 + n % 20_000) + chr(0x4E00 + n // 7) for n in range(100_000)),
    ],
    ids=["one word", "many words", "wide words", "many wide words"],
)
def test_a_long_text_is_cut_and_does_not_hold_up_the_others(text: str) -> None:
    first = saying("beginning", text)
    second = saying("parcel")
    assert fill()
    assert found("beginning") == {first.pk}
    assert found("parcel") == {second.pk}


def test_batches_are_cut_by_number_and_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_search, "BATCH", 3)
    monkeypatch.setattr(text_search, "BATCH_BYTES", 1)
    for _ in range(7):
        saying("parcel")
    assert not fill(seconds=0)
    assert fill()
    assert len(found("parcel")) == 7


def test_more_than_one_task_can_do_is_gone_on_with_soon(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "INDEX_SECONDS", 0)
    execute_task(tasks.index_text, 60)
    execute_task(tasks.index_text, 120)  # while the first's other half waits
    job = ProcrastinateJob.objects.get(task_name="threads.index_text")
    assert job.scheduled_at is not None
    assert job.args == {"timestamp": 60}


def test_it_can_be_switched_off(settings: Settings) -> None:
    settings.SKEINO_SEARCH_MESSAGES = False
    saying("parcel")
    execute_task(tasks.index_text, 0)
    assert not ThreadText.objects.exists()


def test_words_go_with_their_thread_whoever_deletes_it() -> None:
    first, second = saying("parcel"), saying("parcel")
    fill()
    first.delete()
    Thread.objects.filter(pk=second.pk)._raw_delete("default")
    assert not ThreadText.objects.exists()


def test_updates_of_a_state_touch_no_index() -> None:
    """What a run does last stays what it was: HOT, though its time of change can be searched."""
    thread = saying("parcel")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int >= 160000")
        is_searchable = cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = 'thread_state_updated'")
        assert bool(cursor.fetchone()[0]) == is_searchable
        count = "SELECT pg_stat_get_xact_tuples_hot_updated('threads_thread'::regclass)"
        cursor.execute(count)
        before = cursor.fetchone()[0]
        thread.values["messages"].append({"type": "ai", "content": "It is on its way"})
        thread.state_updated_at = timezone.now()
        thread.save(update_fields=["values", "status", "state_updated_at", "updated_at"])
        cursor.execute(count)
        assert cursor.fetchone()[0] == before + 1


# Against others


def test_a_thread_that_a_run_has_locked_is_left_for_the_next_time(committed: None) -> None:
    locked, free = saying("parcel"), saying("parcel")
    with transaction.atomic():
        Thread.objects.lock(locked.pk)
        [done] = at_once(fill)
    assert done is True
    assert found("parcel") == {free.pk}
    fill()
    assert found("parcel") == {free.pk, locked.pk}


def test_a_thread_that_is_deleted_meanwhile_leaves_no_words(committed: None) -> None:
    for _ in range(20):
        threads = [saying("parcel") for _ in range(5)]
        results = at_once(fill, *[thread.delete for thread in threads[:3]])
        assert not any(isinstance(result, Exception) for result in results)
        assert set(ThreadText.objects.values_list("pk")) <= set(Thread.objects.values_list("pk"))


def test_several_at_a_time_take_up_each_thread_once(committed: None) -> None:
    threads = {saying("parcel").pk for _ in range(50)}
    results = at_once(*[fill] * 3)
    assert not any(isinstance(result, Exception) for result in results)
    fill()
    assert found("parcel") == threads
