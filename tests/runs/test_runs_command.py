from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from assistants.models import Assistant
from runs.models import Run, RunEvent
from tests.live import ROOT, free_port
from tests.runs.engine import claimed, new_thread, submit
from tests.runs.many import finished_runs
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("engine_db")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        return True


def runs(*arguments: object) -> str:
    """What the command writes."""
    output = io.StringIO()
    call_command("runs", *map(str, arguments), stdout=output)
    return output.getvalue()


def listed(*arguments: object) -> list[str]:
    return [run["run_id"] for run in json.loads(runs("list", "--json", *arguments))]


def ids(*chosen: Run | uuid.UUID) -> list[str]:
    return [str(run.pk if isinstance(run, Run) else run) for run in chosen]


def statuses(*chosen: Run | uuid.UUID) -> list[str]:
    return [Run.objects.get(pk=run_id).status for run_id in ids(*chosen)]


# list and show


def test_runs_are_listed_newest_first() -> None:
    [old] = finished_runs(1, ended_ago=DAY, status="error")
    new = submit()
    lines = runs("list").splitlines()
    assert lines[0].split() == ["run", "status", "attempt", "created", "lasted", "thread", "assistant"]
    assert [line.split()[:2] for line in lines[1:]] == [[str(new.pk), "pending"], [str(old), "error"]]
    assert str(new.thread_id) in lines[1]
    assert lines[1].endswith("echo")


def test_they_are_listed_as_the_api_shows_them() -> None:
    run = submit(metadata={"topic": "x"})
    [shown] = json.loads(runs("list", "--json"))
    assert (shown["run_id"], shown["status"], shown["metadata"]["topic"]) == (str(run.pk), "pending", "x")


def test_no_runs_is_an_empty_list() -> None:
    assert json.loads(runs("list", "--json")) == []
    assert len(runs("list").splitlines()) == 1


def test_no_more_are_listed_than_asked_for() -> None:
    made = [submit() for _ in range(3)]
    assert listed("--limit", 2) == ids(made[2], made[1])
    with pytest.raises(CommandError, match="--limit must be 1 or more"):
        runs("list", "--limit", 0)


def test_they_are_filtered() -> None:
    thread = new_thread()
    mine, other = submit(thread=thread), submit("fails")
    [failed] = finished_runs(1, ended_ago=2 * DAY, status="error")
    assert listed("--status", "error") == ids(failed)
    assert listed("--thread", thread.pk) == ids(mine)
    assert listed("--assistant", "fails") == ids(other)
    assert listed("--assistant", other.assistant_id) == ids(other)
    assert listed("--older-than", "1d") == ids(failed)
    assert listed("--older-than", "3d") == []
    assert listed("--status", "error", "--thread", thread.pk) == []


def test_assistants_of_graphs_that_are_gone_are_known() -> None:
    run = submit()
    Run.objects.update(assistant=Assistant.objects.create(graph_id="gone", name="gone"))
    assert listed("--assistant", "gone") == ids(run)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--assistant", "nobody"], "There is no assistant nobody."),
        (["--thread", "x"], "'x' is no id"),
        (["--older-than", "soon"], "'soon' is none of the kind of 90s"),
        (["--older-than", "99999999d"], "before the calendar begins"),
        (["--older-than", "999999999999w"], "is none of the kind"),
        (["--status", "odd"], "invalid choice: 'odd'"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named(arguments: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        runs("list", *arguments)


@pytest.mark.parametrize(
    ("age", "count"), [("90s", 1), ("15m", 1), ("2h", 1), ("23.5h", 1), ("25h", 0), ("1w", 0), ("9999w", 0)]
)
def test_ages_have_units(age: str, count: int) -> None:
    finished_runs(1, ended_ago=DAY)
    assert len(listed("--older-than", age)) == count


def test_one_run_is_shown_with_all_that_is_known() -> None:
    [run_id] = finished_runs(1, ended_ago=DAY, events=3)
    shown = dict(line.split(maxsplit=1) for line in runs("show", run_id).splitlines())
    assert (shown["run_id"], shown["status"], shown["events"]) == (str(run_id), "success", "3")
    assert json.loads(runs("show", run_id, "--json"))["run_id"] == str(run_id)


@pytest.mark.parametrize("verb", ["show", "cancel", "retry"])
def test_a_run_that_there_is_none_of_is_named_and_nothing_is_done(verb: str) -> None:
    run, unknown = submit(), uuid.uuid4()
    arguments = [unknown] if verb == "show" else [run.pk, unknown]
    with pytest.raises(CommandError, match=f"There is no run {unknown}"):
        runs(verb, *arguments)
    with pytest.raises(CommandError, match="'x' is no id"):
        runs(verb, "x")
    assert statuses(run) == ["pending"]


# cancel


def test_runs_are_cancelled_by_their_ids() -> None:
    first, second, other = submit(), submit(), submit()
    output = runs("cancel", first.pk, second.pk)
    assert output.splitlines() == [f"{run.pk} cancelled" for run in (first, second)]
    assert statuses(first, second, other) == ["interrupted", "interrupted", "pending"]


def test_one_that_executes_is_told_so() -> None:
    run = claimed()
    runs("cancel", run.pk, "--action", "drain")
    assert Run.objects.get().cancel_action == "drain"


def test_a_rollback_deletes_it() -> None:
    runs("cancel", submit().pk, "--action", "rollback")
    assert not Run.objects.exists()
    assert Thread.objects.get().status == "idle"


def test_one_that_has_ended_is_a_failure_that_does_not_stop_the_others() -> None:
    [ended] = finished_runs(1, ended_ago=DAY)
    run = submit()
    with pytest.raises(CommandError, match="1 of 2 runs could not be cancelled"):
        runs("cancel", ended, run.pk)
    assert statuses(ended, run) == ["success", "interrupted"]


def test_filters_choose_among_those_that_have_not_ended() -> None:
    thread = new_thread()
    finished_runs(1, ended_ago=DAY)
    first, second, other = submit(thread=thread), submit(thread=thread), submit()
    assert len(runs("cancel", "--thread", thread.pk, "--yes").splitlines()) == 2
    assert statuses(first, second, other) == ["interrupted", "interrupted", "pending"]
    assert runs("cancel", "--thread", thread.pk, "--yes") == "There are none.\n"


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_all_of_them_is_not_said_by_saying_nothing(verb: str) -> None:
    run = submit()
    for arguments in ([], [run.pk, "--status", "pending"]):
        with pytest.raises(CommandError, match="Name runs by their ids, or choose them by filters"):
            runs(verb, *arguments)
    assert statuses(run) == ["pending"]


def test_who_chooses_by_filters_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit()
    for answer in ("n", ""):
        monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
        with pytest.raises(CommandError, match="Nothing was done"):
            runs("cancel", "--status", "pending")
    assert statuses(run) == ["pending"]
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    runs("cancel", "--status", "pending")
    assert statuses(run) == ["interrupted"]


def test_where_nobody_can_be_asked_it_has_to_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit()
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(CommandError, match=r"Cancel 1 runs\? Say --yes\."):
        runs("cancel", "--status", "pending")
    assert statuses(run) == ["pending"]


# retry and recover


def test_runs_are_tried_again() -> None:
    [failed] = finished_runs(1, ended_ago=DAY, status="error", events=2)
    assert runs("retry", failed) == f"{failed} queued again\n"
    assert statuses(failed) == ["pending"]


def test_what_went_well_is_not_tried_again() -> None:
    [well] = finished_runs(1, ended_ago=DAY)
    [badly] = finished_runs(1, ended_ago=DAY, status="timeout")
    with pytest.raises(CommandError, match="1 of 2 runs could not be queued again"):
        runs("retry", well, badly)
    assert statuses(well, badly) == ["success", "pending"]


def test_filters_choose_among_those_that_did_not_go_well() -> None:
    finished_runs(1, ended_ago=DAY)
    [badly] = finished_runs(1, ended_ago=DAY, status="error")
    assert runs("retry", "--older-than", "1h", "--yes") == f"{badly} queued again\n"


def test_stuck_runs_are_recovered() -> None:
    run = submit()
    Run.objects.update(updated_at=timezone.now() - DAY)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    assert runs("recover").startswith("1 runs and threads were stuck")
    assert Run.objects.get().job_id != run.job_id
    assert runs("recover").startswith("0 ")


# prune


def test_pruning_does_what_the_settings_say(settings: Settings) -> None:
    settings.SKEINO_EVENT_RETENTION_HOURS, settings.SKEINO_RUN_RETENTION_DAYS = 1, 3
    finished_runs(1, ended_ago=2 * DAY, events=4)
    finished_runs(2, ended_ago=4 * DAY)
    assert runs("prune") == "4 events deleted.\n2 runs deleted.\n"
    settings.SKEINO_EVENT_RETENTION_HOURS = settings.SKEINO_RUN_RETENTION_DAYS = None
    assert runs("prune") == ""


def test_pruning_does_what_it_is_told() -> None:
    finished_runs(1, ended_ago=2 * DAY, events=4)
    finished_runs(1, ended_ago=HOUR, events=4)
    assert runs("prune", "--older-than", "1d", "--logs", "--yes") == "4 events deleted.\n"
    assert Run.objects.count() == 2
    assert runs("prune", "--older-than", "1d", "--yes") == "0 events deleted.\n1 runs deleted.\n"
    assert RunEvent.objects.count() == 4


def test_pruning_by_age_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    finished_runs(1, ended_ago=2 * DAY)
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    with pytest.raises(CommandError, match="Nothing was done"):
        runs("prune", "--older-than", "1d")
    with pytest.raises(CommandError, match="--logs goes with --older-than"):
        runs("prune", "--logs")
    assert Run.objects.exists()


def test_long_work_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("runs.management.commands.runs.Progress.seconds", 0)
    finished_runs(2, ended_ago=DAY, events=3)
    output = runs("prune", "--older-than", "1h", "--yes")
    assert "6 events …" in capsys.readouterr().err
    assert "…" not in output


# The command


def test_a_database_that_cannot_be_reached_is_one_line() -> None:
    address = f"postgresql://somebody:secret@127.0.0.1:{free_port()}/x"
    done = subprocess.run(
        [sys.executable, "manage.py", "runs", "list"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: The database cannot be used: connection failed")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


def test_it_works_where_settings_are_wrong(settings: Settings) -> None:
    settings.SKEINO_BUSY = "nonsense"
    assert runs("list")
