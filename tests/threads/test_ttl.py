from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from tests.tasks import execute_task
from tests.threads.running import count_rows, execute, human
from threads.models import Thread
from threads.state import Outcome
from threads.tasks import sweep

pytestmark = pytest.mark.django_db

HOUR = {"ttl": 60, "strategy": "delete"}
PAST = timezone.now() - timedelta(minutes=1)


def shown(api: APIClient, thread_id: object) -> dict[str, Any] | None:
    ttl: dict[str, Any] | None = api.get(f"/threads/{thread_id}?include=ttl").json()["ttl"]
    return ttl


def minutes_left(ttl: dict[str, Any] | None) -> float:
    assert ttl is not None
    return (datetime.fromisoformat(ttl["expires_at"]) - timezone.now()) / timedelta(minutes=1)


def swept(thread: Thread) -> bool:
    """Whether the thread is gone after a sweep."""
    execute_task(sweep)
    return not Thread.objects.filter(pk=thread.pk).exists()


# What is asked for


def test_a_thread_lives_for_ever_unless_told_otherwise(api: APIClient) -> None:
    thread_id = api.post("/threads", {}).json()["thread_id"]
    assert shown(api, thread_id) is None


def test_a_thread_lives_as_long_as_was_said_when_it_was_made(api: APIClient) -> None:
    thread = api.post("/threads", {"ttl": HOUR}).json()
    ttl = shown(api, thread["thread_id"])
    assert minutes_left(ttl) == pytest.approx(60, abs=0.5)
    assert ttl is not None
    assert (ttl["ttl_minutes"], ttl["strategy"]) == (60, "delete")


def test_it_is_only_shown_on_request(api: APIClient) -> None:
    thread = api.post("/threads", {"ttl": HOUR}).json()
    assert "ttl" not in thread
    assert "ttl" not in api.get(f"/threads/{thread['thread_id']}").json()
    assert shown(api, thread["thread_id"]) is not None


def test_it_can_be_changed_without_touching_the_metadata(api: APIClient) -> None:
    thread = Thread.objects.create(metadata={"a": 1})
    response = api.patch(f"/threads/{thread.pk}", {"ttl": {"ttl": 5, "strategy": "keep_latest"}})
    assert response.json()["metadata"] == {"a": 1}
    assert minutes_left(shown(api, thread.pk)) == pytest.approx(5, abs=0.5)


def test_metadata_can_be_changed_without_touching_it(api: APIClient) -> None:
    thread_id = api.post("/threads", {"ttl": HOUR}).json()["thread_id"]
    before = shown(api, thread_id)
    api.patch(f"/threads/{thread_id}", {"metadata": {"a": 1}})
    assert shown(api, thread_id) == before


@pytest.mark.parametrize("ttl", [60, "60", [60], {}, {"strategy": "delete"}])
@pytest.mark.parametrize("method", ["post", "patch"])
def test_it_is_an_object_with_minutes(api: APIClient, method: str, ttl: Any) -> None:
    path = "/threads" if method == "post" else f"/threads/{Thread.objects.create().pk}"
    response = getattr(api, method)(path, {"ttl": ttl})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("ttl")


@pytest.mark.parametrize("minutes", [-1, "nan", "inf", "-inf", 10**12, "many", None, [1]])
def test_minutes_are_a_number_that_a_calendar_has(api: APIClient, minutes: Any) -> None:
    response = api.post("/threads", {"ttl": {"ttl": minutes}})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("ttl.ttl: ")


def test_a_strategy_that_is_none_is_unprocessable(api: APIClient) -> None:
    assert api.post("/threads", {"ttl": {"ttl": 1, "strategy": "archive"}}).status_code == 422


def test_a_new_state_begins_its_time_anew() -> None:
    thread = Thread.objects.create(ttl_minutes=60, expires_at=timezone.now() + timedelta(minutes=1))
    now = timezone.now()
    thread.settle(Outcome(thread_status=Thread.Status.IDLE, values={}), busy=False, now=now)  # type: ignore[arg-type]
    assert Thread.objects.get(pk=thread.pk).expires_at == now + timedelta(hours=1)


# What comes of it


def test_a_thread_whose_time_is_up_is_deleted_with_all_that_belongs_to_it() -> None:
    thread = Thread.objects.create(ttl_minutes=1, expires_at=PAST)
    execute(thread, "echo", human("hi"))
    assert swept(thread)
    assert not any(count_rows(thread.pk).values())


def test_others_are_left_alone() -> None:
    later = timezone.now() + timedelta(minutes=1)
    threads = [Thread.objects.create(ttl_minutes=1, expires_at=expires_at) for expires_at in (None, later)]
    assert not any(swept(thread) for thread in threads)


def test_a_busy_thread_is_left_alone() -> None:
    assert not swept(Thread.objects.create(ttl_minutes=1, expires_at=PAST, status="busy"))


@pytest.mark.django_db(transaction=True)
def test_a_thread_may_keep_its_latest_state(api: APIClient) -> None:
    thread = Thread.objects.create(ttl_minutes=1, expires_at=PAST, ttl_strategy="keep_latest")
    execute(thread, "echo", human("hi"))
    before = api.get(f"/threads/{thread.pk}/state").json()
    assert not swept(thread)
    history = api.get(f"/threads/{thread.pk}/history").json()
    assert [state["values"] for state in history] == [before["values"]]
    assert Thread.objects.get(pk=thread.pk).expires_at is None
    api.delete(f"/threads/{thread.pk}")


def test_a_thread_that_cannot_be_pruned_keeps_its_history_and_stops_no_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(thread_ids: object) -> None:
        raise NotImplementedError("differences")

    monkeypatch.setattr("threads.checkpointer.prune", refuse)
    kept = Thread.objects.create(ttl_minutes=1, expires_at=PAST, ttl_strategy="keep_latest")
    assert swept(Thread.objects.create(ttl_minutes=1, expires_at=PAST))
    assert Thread.objects.get(pk=kept.pk).expires_at is None
    assert str(kept.pk) in caplog.text
