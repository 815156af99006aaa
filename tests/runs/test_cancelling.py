"""Run.cancel without a worker: what becomes of run, job, thread and log, and who wins of two."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from runs import jobs
from runs.exceptions import RunLost, RunNotRetryable
from runs.models import CANCELLED, ROLLED_BACK, Run
from tests.runs.engine import (
    IDLE,
    at_once,
    claim,
    claimed,
    finish,
    log_of,
    one_behind_another,
    submit,
    thread_of,
)
from threads.encoding import encode_for_jsonb
from threads.exceptions import ThreadNotFound
from threads.models import Thread
from threads.state import Outcome

Action = Run.CancelAction
STOPPING = [Action.DRAIN, Action.INTERRUPT]
INTERRUPTED = Outcome(thread_status=Thread.Status.INTERRUPTED, values=encode_for_jsonb({"a": 1}))

pytestmark = pytest.mark.usefixtures("db", "test_graphs")

raced = pytest.mark.usefixtures("engine_db")  # several connections must see what was written


def status(run: Run) -> str:
    return Run.objects.values_list("status", flat=True).get(pk=run.pk)


def scheduled() -> Run:
    return submit(after_seconds=60)


def fetched(run: Run, *, silent: bool = False) -> int:
    """Have a worker, which gives no sign of life if it is silent, take the run's job; returns its id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s))"
            " RETURNING id",
            [3600 if silent else 0],
        )
        [worker_id] = cursor.fetchone()
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE id = %s",
            [worker_id, Run.objects.get(pk=run.pk).job_id],
        )
    return int(worker_id)


def executing() -> Run:
    """A run in its first attempt, with its job as a worker has it."""
    run = submit()
    fetched(run)
    found = claim(run.pk)
    assert found is not None
    return found


# --- a run that waits ---


@pytest.mark.parametrize("action", STOPPING)
@pytest.mark.parametrize("make", [submit, scheduled])
def test_a_run_that_waits_ends_at_once(make: Callable[[], Run], action: Action) -> None:
    run = make()
    assert run.cancel(action)
    found = Run.objects.get(pk=run.pk)
    assert (found.status, found.error, found.attempt) == ("interrupted", None, 0)
    assert found.finished_at is not None
    assert thread_of(run).status == "idle"
    assert log_of(run) == ["end"]
    assert not ProcrastinateJob.objects.filter(pk=run.job_id).exists()
    assert claim(run.pk) is None


@pytest.mark.parametrize("make", [submit, scheduled])
def test_a_run_that_waits_is_rolled_back_whole(make: Callable[[], Run]) -> None:
    run = make()
    assert run.cancel(Action.ROLLBACK)
    assert not Run.objects.filter(pk=run.pk).exists()
    assert not ProcrastinateJob.objects.filter(pk=run.job_id).exists()
    thread = thread_of(run)
    assert (thread.status, thread.values, thread.error) == ("idle", None, ROLLED_BACK)


@pytest.mark.parametrize("thread_status", ["idle", "interrupted", "error"])
@pytest.mark.parametrize("action", list(Action))
def test_the_thread_of_a_run_that_waited_is_what_it_was(thread_status: str, action: Action) -> None:
    """A thread can be interrupted without interrupts: at a breakpoint, or by a cancelled run."""
    first = claimed()
    outcome = Outcome(thread_status=Thread.Status(thread_status), values=encode_for_jsonb({"a": 1}))
    finish(first, Run.Status.SUCCESS, outcome, seq=1)
    before = thread_of(first)
    submit(thread=first.thread).cancel(action)
    after = thread_of(first)
    assert (after.status, after.values, after.interrupts) == (thread_status, {"a": 1}, None)
    assert after.state_updated_at == before.state_updated_at


def test_interrupts_outlive_a_run_that_waited() -> None:
    first = claimed()
    waiting = Outcome(
        thread_status=Thread.Status.INTERRUPTED, interrupts=encode_for_jsonb({"t": [{"id": "x"}]})
    )
    finish(first, Run.Status.SUCCESS, waiting, seq=1)
    submit(thread=first.thread).cancel()
    assert (thread_of(first).status, thread_of(first).interrupts) == ("interrupted", {"t": [{"id": "x"}]})


@pytest.mark.parametrize("action", list(Action))
def test_a_thread_whose_other_runs_wait_stays_busy(action: Action) -> None:
    first = submit()
    second = submit(thread=first.thread)
    third = submit(thread=first.thread)
    second.cancel(action)
    assert thread_of(first).status == "busy"
    first.cancel(action)
    third.cancel(action)
    assert thread_of(first).status == "idle"


def test_what_a_thread_is_when_no_run_waits_outlives_those_that_waited() -> None:
    first = claimed()
    second = submit(thread=first.thread)
    finish(first, Run.Status.SUCCESS, INTERRUPTED, seq=1)
    assert thread_of(first).status == "busy"
    second.cancel()
    assert thread_of(first).status == "interrupted"


@pytest.mark.parametrize("action", STOPPING)
def test_a_released_run_ends_as_one_that_had_begun(action: Action) -> None:
    run = executing()
    run.release()
    assert run.cancel(action)
    found = Run.objects.get(pk=run.pk)
    assert (found.status, found.error, found.attempt) == ("interrupted", CANCELLED, 1)
    assert (thread_of(run).status, thread_of(run).error) == ("interrupted", CANCELLED)
    assert log_of(run) == ["end"]


# --- a run that executes ---


@pytest.mark.parametrize("action", STOPPING)
def test_the_worker_of_a_run_that_executes_is_told(action: Action) -> None:
    run = executing()
    assert run.cancel(action)
    assert Run.objects.get(pk=run.pk).cancel_action == action
    assert ProcrastinateJob.objects.get(pk=run.job_id).abort_requested
    assert (status(run), thread_of(run).status) == ("running", "busy")


def test_an_executing_run_is_deleted_by_a_rollback() -> None:
    run = executing()
    assert run.cancel(Action.ROLLBACK)
    assert not Run.objects.exists()
    assert ProcrastinateJob.objects.get(pk=run.job_id).abort_requested
    with pytest.raises(RunLost):
        finish(run, Run.Status.SUCCESS, IDLE, seq=1)
    with pytest.raises(RunLost):
        run.release()


@pytest.mark.parametrize(
    ("asked", "stands"),
    [("drain drain", "drain"), ("drain interrupt", "interrupt"), ("interrupt drain", "interrupt")],
)
def test_of_two_actions_the_stronger_stands(asked: str, stands: str) -> None:
    run = executing()
    assert all(run.cancel(Action(action)) for action in asked.split())
    assert Run.objects.get(pk=run.pk).cancel_action == stands


def test_a_run_that_is_being_interrupted_can_still_be_rolled_back() -> None:
    run = executing()
    assert run.cancel()
    assert run.cancel(Action.ROLLBACK)
    assert not Run.objects.exists()


# --- a run that has ended, or is gone ---


@pytest.mark.parametrize("action", list(Action))
def test_there_is_nothing_to_cancel_in_a_run_that_has_ended(action: Action) -> None:
    run = claimed()
    finish(run, Run.Status.SUCCESS, IDLE, seq=1)
    before = Run.objects.values().get(pk=run.pk), Thread.objects.values().get(pk=run.thread_id)
    assert not run.cancel(action)
    assert (Run.objects.values().get(pk=run.pk), Thread.objects.values().get(pk=run.thread_id)) == before


@pytest.mark.parametrize("action", list(Action))
def test_there_is_nothing_to_cancel_in_a_run_that_is_gone(action: Action) -> None:
    run = submit()
    assert Run.objects.get(pk=run.pk).cancel(Action.ROLLBACK)
    assert not run.cancel(action)
    thread_of(run).delete()
    with pytest.raises(ThreadNotFound):
        run.cancel(action)


def broken() -> Any:
    raise LookupError("no such model")


@pytest.mark.parametrize("action", list(Action))
def test_a_run_whose_graph_cannot_be_made_can_be_cancelled(action: Action, settings: Settings) -> None:
    run = executing()
    run.release()
    settings.SKEINO_GRAPHS = {"echo": broken}
    assert run.cancel(action)
    assert thread_of(run).status == ("idle" if action == Action.ROLLBACK else "interrupted")


# --- races ---


@raced
@pytest.mark.parametrize("action", list(Action))
def test_a_run_that_is_claimed_just_before_it_is_cancelled_is_its_workers_to_end(action: Action) -> None:
    run = submit()
    fetched(run)
    begun, cancelled = one_behind_another(partial(claim, run.pk), partial(run.cancel, action))
    assert (begun, cancelled) == (run, True)
    assert ProcrastinateJob.objects.get(pk=run.job_id).abort_requested
    found = Run.objects.filter(pk=run.pk).first()
    if action == Action.ROLLBACK:
        assert found is None
    else:
        assert found is not None
        assert (found.status, found.cancel_action, thread_of(run).status) == ("running", action, "busy")


@raced
@pytest.mark.parametrize("action", list(Action))
def test_a_run_that_is_cancelled_just_before_it_is_claimed_is_not_begun(action: Action) -> None:
    run = submit()
    fetched(run)
    assert one_behind_another(partial(run.cancel, action), partial(claim, run.pk)) == (True, None)
    assert thread_of(run).status == "idle"


@raced
@pytest.mark.parametrize("action", list(Action))
def test_a_run_that_finishes_just_before_it_is_cancelled_has_ended(action: Action) -> None:
    run = executing()
    finishing = partial(finish, run, Run.Status.SUCCESS, IDLE, seq=1)
    assert one_behind_another(finishing, partial(run.cancel, action)) == (None, False)
    assert (status(run), log_of(run), thread_of(run).status) == ("success", ["end"], "idle")


@raced
@pytest.mark.parametrize("action", list(Action))
def test_a_run_that_is_cancelled_just_before_it_finishes_ends_once(action: Action) -> None:
    run = executing()
    finishing = partial(finish, run, Run.Status.SUCCESS, IDLE, seq=1)
    cancelled, finished = one_behind_another(partial(run.cancel, action), finishing)
    assert cancelled is True
    if action == Action.ROLLBACK:
        assert isinstance(finished, RunLost)
        assert not Run.objects.exists()
    else:
        assert (finished, status(run), log_of(run)) == (None, "success", ["end"])
    assert thread_of(run).status == "idle"


@raced
def test_a_run_that_is_cancelled_by_many_ends_once() -> None:
    for _ in range(5):
        run = submit()
        assert sorted(at_once(*[run.cancel] * 4)) == [False, False, False, True]
        assert log_of(run) == ["end"]


@raced
def test_a_run_that_is_cancelled_in_every_way_at_once_is_gone() -> None:
    for make in (submit, executing) * 3:
        run = make()
        results = at_once(*(partial(run.cancel, action) for action in (*Action, *Action)))
        assert all(isinstance(result, bool) for result in results), results
        # Interrupted first, a run that waited has ended, and there is nothing to roll back.
        found = Run.objects.filter(pk=run.pk).first()
        assert found is None or (make is submit and found.status == "interrupted")
        assert thread_of(run).status == "idle"


@raced
@pytest.mark.parametrize("make", [submit, executing])
@pytest.mark.parametrize("delete", ["run", "thread"])
def test_a_run_may_be_deleted_while_it_is_cancelled(make: Callable[[], Run], delete: str) -> None:
    for _ in range(5):
        run = make()
        row = Run.objects.get(pk=run.pk) if delete == "run" else thread_of(run)
        deleted, cancelled = at_once(row.delete, run.cancel)
        assert isinstance(deleted, tuple), deleted
        assert isinstance(cancelled, (bool, ThreadNotFound)), cancelled
        assert not Run.objects.filter(pk=run.pk).exists()
        if delete == "run":
            assert thread_of(run).status in ("idle", "interrupted")


@raced
@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("make", [submit, executing])
def test_a_thread_that_gets_a_run_while_one_is_cancelled_stays_busy(
    make: Callable[[], Run], action: Action
) -> None:
    for _ in range(5):
        run = make()
        cancelled, second = at_once(partial(run.cancel, action), partial(submit, thread=run.thread))
        assert cancelled is True
        assert isinstance(second, Run), second
        assert thread_of(run).status == "busy"


@raced
@pytest.mark.parametrize("action", list(Action))
def test_a_scheduled_run_whose_time_has_just_come_is_cancelled_with_its_new_job(action: Action) -> None:
    run = scheduled()
    fetched(run)
    assert one_behind_another(partial(Run.objects.enqueue, run.pk), partial(run.cancel, action)) == (
        None,
        True,
    )
    assert not ProcrastinateJob.objects.filter(task_name=jobs.EXECUTE).exists()


@raced
@pytest.mark.parametrize("action", list(Action))
def test_a_scheduled_run_that_has_just_been_cancelled_gets_no_job(action: Action) -> None:
    run = scheduled()
    fetched(run)
    assert one_behind_another(partial(run.cancel, action), partial(Run.objects.enqueue, run.pk)) == (
        True,
        None,
    )
    assert not ProcrastinateJob.objects.filter(task_name=jobs.EXECUTE).exists()


@raced
def test_runs_that_are_cancelled_while_their_worker_is_found_lost_end() -> None:
    """Both need jobs and runs, and do not wait for each other."""
    for action in Action:
        runs = [executing() for _ in range(12)]
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")

        def cancel(some: list[Run], action: Action = action) -> list[bool]:
            return [run.cancel(action) for run in some]

        parts = [partial(cancel, runs[start::4]) for start in range(4)]
        *cancelled, lost = at_once(*parts, partial(jobs.take_back, 30))
        assert cancelled == [[True] * 3] * 4
        assert isinstance(lost, list), lost
        jobs.take_back(30)  # it had left alone what others had locked
        assert not ProcrastinateJob.objects.filter(status="doing").exists()
        for found in Run.objects.filter(
            pk__in=[run.pk for run in runs], status="pending"
        ):  # for the worker that claims it
            assert found.cancel_action == action


@raced
def test_a_run_is_retried_or_cancelled_in_turn() -> None:
    for _ in range(5):
        run = submit()
        run.cancel()
        retried, cancelled = at_once(run.retry, run.cancel)
        assert retried is None
        assert status(run) == ("interrupted" if cancelled else "pending")
        assert thread_of(run).status == ("idle" if cancelled else "busy")
        run.cancel()
        results = at_once(run.retry, run.retry)
        assert {type(result) for result in results} == {type(None), RunNotRetryable}
