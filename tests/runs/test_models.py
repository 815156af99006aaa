from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from assistants.models import Assistant
from runs.exceptions import InvalidRunId, RunLost, RunNotFound
from runs.models import Run, RunEvent
from tests.runs.engine import IDLE, at_once, claim, claimed, finish, new_thread, submit, thread_of
from threads.encoding import encode_for_jsonb
from threads.exceptions import ThreadBusy, ThreadNotFound
from threads.models import Thread
from threads.state import Outcome

SUCCESS, ERROR = Run.Status.SUCCESS, Run.Status.ERROR
BOOM = {"error": "ValueError", "message": "boom"}
FAILED = Outcome(thread_status=Thread.Status.ERROR, error=encode_for_jsonb(BOOM))

pytestmark = pytest.mark.usefixtures("db", "test_graphs")

raced = pytest.mark.usefixtures("engine_db")  # several connections must see what was written


def status(run: Run) -> tuple[str, int]:
    return Run.objects.values_list("status", "attempt").get(pk=run.pk)


# --- submit ---


def test_a_submitted_run_is_pending_and_its_thread_busy() -> None:
    run = submit(metadata={"a": 1})
    assert status(run) == ("pending", 0)
    assert thread_of(run).status == "busy"
    assert thread_of(run).metadata["graph_id"] == "echo"


def test_run_and_job_appear_together_or_not_at_all() -> None:
    make = partial(Run.objects.submit, new_thread(), Assistant.objects.find("echo"), kwargs={})
    run = make(idempotency_key="a")
    with pytest.raises(IntegrityError), transaction.atomic():
        make(idempotency_key="a")
    assert list(Run.objects.all()) == [run]
    jobs = ProcrastinateJob.objects.filter(lock=str(run.thread_id))
    assert [job.id for job in jobs] == [run.job_id]


def test_the_job_of_a_run_is_locked_to_its_thread() -> None:
    run = submit()
    job = ProcrastinateJob.objects.get(pk=run.job_id)
    assert (job.lock, job.args) == (str(run.thread_id), {"run_id": str(run.pk), "is_followed": True})


@pytest.mark.parametrize("strategy", ["reject", "interrupt", "rollback"])
@pytest.mark.parametrize("make_active", [submit, claimed])
def test_a_busy_thread_refuses_a_run_that_would_not_wait(
    strategy: str, make_active: Callable[..., Run]
) -> None:
    active = make_active()
    with pytest.raises(ThreadBusy):
        submit(thread=active.thread, multitask_strategy=strategy)
    assert list(Run.objects.all()) == [active]


@pytest.mark.parametrize("strategy", ["enqueue", "reject", "interrupt", "rollback"])
def test_a_thread_whose_runs_have_ended_takes_every_run(strategy: str) -> None:
    run = claimed()
    finish(run, SUCCESS, IDLE, seq=1)
    assert submit(thread=run.thread, multitask_strategy=strategy).status == "pending"


@raced
def test_of_two_runs_that_would_not_wait_one_is_taken() -> None:
    thread = new_thread()
    outcomes = at_once(*[partial(submit, thread=thread, multitask_strategy="reject")] * 4)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Run", *["ThreadBusy"] * 3]


def test_no_run_is_made_on_a_deleted_thread() -> None:
    thread = new_thread()
    Thread.objects.get(pk=thread.pk).delete()
    with pytest.raises(ThreadNotFound):
        submit(thread=thread)


# --- claim ---


def test_claiming_begins_an_attempt() -> None:
    run = submit()
    found = claim(run.pk)
    assert found is not None
    assert (found.status, found.attempt) == status(run) == ("running", 1)
    assert found.started_at is not None


@raced
def test_of_many_claims_one_wins() -> None:
    for _ in range(5):
        outcomes = at_once(*[partial(claim, submit().pk)] * 4)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == [*["NoneType"] * 3, "Run"]


def test_a_finished_run_cannot_be_claimed() -> None:
    run = claimed()
    finish(run, SUCCESS, IDLE, seq=1)
    assert claim(run.pk) is None
    assert status(run) == ("success", 1)


def test_a_run_that_is_gone_cannot_be_claimed() -> None:
    assert claim(uuid.uuid4()) is None


def test_a_thread_has_one_running_run() -> None:
    first = claimed()
    second = submit(thread=first.thread)
    with pytest.raises(IntegrityError, match="one_running_run_per_thread"):
        claim(second.pk)


@raced
def test_of_two_runs_of_a_thread_one_can_be_claimed_at_a_time() -> None:
    first = submit()
    second = submit(thread=first.thread)
    outcomes = at_once(partial(claim, first.pk), partial(claim, second.pk))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["IntegrityError", "Run"]
    assert Run.objects.filter(status="running").count() == 1


# --- finish ---


def test_finishing_writes_status_usage_and_time() -> None:
    run = claimed()
    finish(run, SUCCESS, IDLE, seq=1, usage={"total_tokens": 3})
    found = Run.objects.get(pk=run.pk)
    assert (found.status, found.usage, found.error) == ("success", {"total_tokens": 3}, None)
    assert found.is_finished
    assert found.finished_at is not None


def test_finishing_writes_the_error_to_run_and_thread() -> None:
    run = claimed()
    finish(run, ERROR, FAILED, seq=1)
    assert Run.objects.get(pk=run.pk).error == BOOM
    assert thread_of(run).error == BOOM


def test_finishing_closes_the_log() -> None:
    run = claimed()
    finish(run, SUCCESS, IDLE, seq=5)
    [event] = RunEvent.objects.filter(run=run)
    assert (event.seq, event.event, json.loads(event.data)) == (5, "end", {"status": "success"})


@pytest.mark.parametrize(
    "thread_status", [Thread.Status.IDLE, Thread.Status.INTERRUPTED, Thread.Status.ERROR]
)
def test_the_thread_takes_over_what_the_run_left(thread_status: Thread.Status) -> None:
    run = claimed()
    values, interrupts = encode_for_jsonb({"a": 1}), encode_for_jsonb({"task": [{"id": "x"}]})
    finish(run, SUCCESS, Outcome(thread_status=thread_status, values=values, interrupts=interrupts), seq=1)
    thread = thread_of(run)
    assert (thread.status, thread.values) == (thread_status, {"a": 1})
    assert thread.interrupts == {"task": [{"id": "x"}]}


def test_a_run_without_values_leaves_the_threads() -> None:
    first = claimed()
    values = encode_for_jsonb({"a": 1})
    finish(first, SUCCESS, Outcome(thread_status=Thread.Status.IDLE, values=values), seq=1)
    second = claimed(thread=first.thread)
    finish(second, ERROR, FAILED, seq=1)
    assert thread_of(first).values == {"a": 1}


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    "outcome",
    [
        FAILED,
        Outcome(
            thread_status=Thread.Status.INTERRUPTED,
            values=encode_for_jsonb({"a": [1]}),
            interrupts=encode_for_jsonb({"task": [{"id": "x"}]}),
        ),
    ],
)
def test_a_run_leaves_its_thread_as_it_is_settled_otherwise(outcome: Outcome, waits: bool) -> None:
    threads = [Thread.objects.open(user=AnonymousUser(), ttl={"ttl": 60}) for _ in range(2)]
    run = claimed(thread=threads[0])
    if waits:
        submit(thread=threads[0])
    finish(run, ERROR, outcome, seq=1)
    now = Run.objects.get(pk=run.pk).finished_at
    assert now is not None
    with transaction.atomic():
        Thread.objects.lock(threads[1].pk).settle(outcome, busy=waits, now=now)

    def standing(thread: Thread) -> list[Any]:
        thread.refresh_from_db()
        same = ("status", "settled_status", "values", "interrupts", "error", "updated_at")
        times = (thread.state_updated_at == now, thread.expires_at == now + timedelta(hours=1))
        return [*(getattr(thread, name) for name in same), *times]

    assert standing(threads[0]) == standing(threads[1])
    assert standing(threads[0])[-2:] == [outcome.values is not None] * 2


def test_the_thread_stays_busy_while_runs_wait() -> None:
    first = claimed()
    second = submit(thread=first.thread)
    finish(first, SUCCESS, IDLE, seq=1)
    assert thread_of(first).status == "busy"
    finish(claim(second.pk), SUCCESS, IDLE, seq=1)  # type: ignore[arg-type]
    assert thread_of(first).status == "idle"


@raced
def test_of_many_finishes_of_one_attempt_one_wins() -> None:
    run = claimed()
    calls = [partial(finish, run, outcome, IDLE, seq=1) for outcome in (SUCCESS, ERROR, SUCCESS, ERROR)]
    outcomes = at_once(*calls)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", *["RunLost"] * 3]
    winner = [SUCCESS, ERROR, SUCCESS, ERROR][outcomes.index(None)]
    assert status(run) == (winner, 1)
    assert RunEvent.objects.filter(run=run).count() == 1


def test_a_lost_attempt_changes_nothing() -> None:
    lost = claimed()
    lost.release()
    current = claim(lost.pk)
    before = Thread.objects.values().get(pk=lost.thread_id)
    with pytest.raises(RunLost):
        finish(lost, ERROR, FAILED, seq=9)
    assert status(lost) == ("running", 2)
    assert Thread.objects.values().get(pk=lost.thread_id) == before
    assert not RunEvent.objects.exists()
    assert current is not None
    finish(current, SUCCESS, IDLE, seq=1)


def test_a_pending_run_cannot_be_finished() -> None:
    run = submit()
    with pytest.raises(RunLost):
        finish(run, SUCCESS, IDLE, seq=1)
    assert status(run) == ("pending", 0)


def test_a_deleted_run_cannot_be_finished() -> None:
    run = claimed()
    thread_of(run).delete()
    with pytest.raises(RunLost):
        finish(run, SUCCESS, IDLE, seq=1)
    assert not RunEvent.objects.exists()


@raced
def test_a_thread_that_gets_a_run_while_one_finishes_stays_busy() -> None:
    for _ in range(5):
        run = claimed()
        at_once(partial(finish, run, SUCCESS, IDLE, seq=1), partial(submit, thread=run.thread))
        assert status(run) == ("success", 1)
        assert thread_of(run).status == "busy"


# --- release ---


def test_a_released_run_is_pending_and_its_next_attempt_another() -> None:
    run = claimed()
    run.release()
    assert status(run) == ("pending", 1)
    assert thread_of(run).status == "busy"
    again = claim(run.pk)
    assert again is not None
    assert again.attempt == 2


@raced
def test_a_run_is_finished_or_released_but_never_both() -> None:
    for _ in range(5):
        run = claimed()
        finished, released = at_once(partial(finish, run, SUCCESS, IDLE, seq=1), run.release)
        assert {type(finished), type(released)} == {type(None), RunLost}
        assert status(run)[0] == ("success" if finished is None else "pending")
        assert thread_of(run).status == ("idle" if finished is None else "busy")


def test_a_lost_attempt_cannot_be_released() -> None:
    lost = claimed()
    lost.release()
    claim(lost.pk)
    with pytest.raises(RunLost):
        lost.release()
    assert status(lost) == ("running", 2)


# --- against the thread's deletion ---


@raced
@pytest.mark.parametrize("what", ["submit", "finish", "release"])
def test_a_thread_can_be_deleted_whatever_its_runs_do(what: str) -> None:
    for _ in range(10):
        run = claimed()
        calls: dict[str, Callable[[], Any]] = {
            "submit": partial(submit, thread=run.thread),
            "finish": partial(finish, run, SUCCESS, IDLE, seq=1),
            "release": run.release,
        }
        deleted, other = at_once(thread_of(run).delete, calls[what])
        assert isinstance(deleted, tuple)
        assert other is None or isinstance(other, (Run, RunLost, ThreadNotFound))
        assert not Thread.objects.exists()
        assert not Run.objects.exists()


# --- find and page ---


def test_a_run_is_found_by_its_id() -> None:
    run = submit()
    assert Run.objects.find(str(run.pk)) == run
    with pytest.raises(RunNotFound, match="Run with ID"):
        Run.objects.find(uuid.uuid4())
    with pytest.raises(InvalidRunId):
        Run.objects.find("mine")


def test_active_are_those_that_wait_or_execute() -> None:
    finished, running, pending = claimed(), claimed(), submit()
    finish(finished, SUCCESS, IDLE, seq=1)
    assert set(Run.objects.active()) == {running, pending}


def test_the_log_knows_its_last_number() -> None:
    run = claimed()
    assert run.last_seq() == 0
    RunEvent.objects.bulk_create(RunEvent(run=run, seq=seq, event="values", data="{}") for seq in (1, 2, 3))
    assert run.last_seq() == 3


def test_lists_of_a_threads_runs_need_no_sorting() -> None:
    run = submit()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = Run.objects.filter(thread=run.thread).order_by("-created_at", "-id")[:10].explain()
    assert "Sort" not in plan
