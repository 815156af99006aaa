from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client

from assistants.models import Assistant
from runs.models import Run
from tests.console.pages import SCRIPT, do, do_to_all, log_in_staff, make_run, page, submit, url
from tests.threads.running import execute, human
from threads.models import Thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def echo() -> Assistant:
    return Assistant.objects.create(graph_id="echo", name="echo")


def run(client: Client, thread: Thread, assistant: Assistant, **fields: object):
    form = {"run-assistant": str(assistant.pk), **{f"run-{name}": value for name, value in fields.items()}}
    return client.post(url(thread, "run", thread.pk), form)


def test_a_message_becomes_a_run(admin_client: Client, thread: Thread, echo: Assistant) -> None:
    response = run(admin_client, thread, echo, message="hello", stream_mode=["values", "messages"])
    made = Run.objects.get()
    assert response.headers["Location"] == url(thread, "change", thread.pk)
    assert made.kwargs["input"] == human("hello")
    assert made.kwargs["stream_mode"] == ["values", "messages"]
    assert (made.status, made.user, made.thread) == ("pending", thread.owner, thread)
    assert str(made.pk) in LogEntry.objects.get().change_message


def test_json_becomes_a_run_from_a_checkpoint(admin_client: Client, thread: Thread, echo: Assistant) -> None:
    checkpoint = "1f0c0000-0000-6000-8000-000000000000"
    run(admin_client, thread, echo, input='{"text": "x"}', checkpoint_id=checkpoint)
    made = Run.objects.get()
    assert made.kwargs["input"] == {"text": "x"}
    assert made.kwargs["checkpoint"]["checkpoint_id"] == checkpoint


@pytest.mark.parametrize(
    "fields",
    [
        {"input": "{"},
        {"message": "a", "input": "{}"},
        {"checkpoint_id": "x"},
        {"stream_mode": ["nonsense"]},
        {"input": '{"messages": [{"role": "alien", "content": "x"}]}'},
    ],
)
def test_what_is_wrong_is_said_and_not_run(
    admin_client: Client, thread: Thread, echo: Assistant, fields: dict[str, object]
) -> None:
    response = run(admin_client, thread, echo, **fields)
    assert response.status_code == 200
    assert b"errorlist" in response.content
    assert not Run.objects.exists()


def test_what_was_filled_in_comes_back_escaped(admin_client: Client, thread: Thread, echo: Assistant) -> None:
    response = run(admin_client, thread, echo, message=SCRIPT, input="{")
    assert SCRIPT not in response.content.decode()


@pytest.mark.parametrize(
    ("answer", "resume"), [("yes", "yes"), ('{"ok": true}', {"ok": True}), ("7", 7), ("false", False)]
)
def test_an_interrupt_is_answered(
    admin_client: Client, thread: Thread, echo: Assistant, answer: str, resume: object
) -> None:
    Thread.objects.update(status="interrupted", interrupts={"task": [{"value": "Really?", "id": "i"}]})
    assert "Answer the interrupt" in page(admin_client, url(thread, "change", thread.pk))
    assert "Really?" in page(admin_client, url(thread, "interrupts", thread.pk))
    form = {"answer-answer": answer, "answer-assistant": str(echo.pk)}
    admin_client.post(url(thread, "run", thread.pk), form)
    assert Run.objects.get().kwargs["command"]["resume"] == resume


OBJECT = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean", "description": "<b>Sure?</b>"},
        "seats": {"type": "integer", "minimum": 1},
        "reason": {"type": "string"},
    },
}


@pytest.mark.parametrize(
    ("schema", "filled", "resume"),
    [
        (OBJECT, {"approved": "true", "seats": "2"}, {"approved": True, "seats": 2}),
        (OBJECT, {"approved": "false", "reason": "no"}, {"approved": False, "reason": "no"}),
        ({"type": "boolean"}, {"answer": "false"}, False),
        ({"enum": ["yes", "no"]}, {"answer": '"no"'}, "no"),
    ],
)
def test_an_interrupt_may_say_what_answer_it_asks_for(
    admin_client: Client, thread: Thread, echo: Assistant, schema: Any, filled: Any, resume: object
) -> None:
    asked = {"value": "Really?", "id": "i", "response_schema": schema}
    Thread.objects.update(status="interrupted", interrupts={"task": [asked]})
    shown = page(admin_client, url(thread, "change", thread.pk))
    assert all(f'name="answer-answer.{name}"' in shown for name in filled)
    assert "<b>Sure?" not in shown
    form = {f"answer-answer.{name}": value for name, value in filled.items()}
    admin_client.post(url(thread, "run", thread.pk), {**form, "answer-assistant": str(echo.pk)})
    assert Run.objects.get().kwargs["command"]["resume"] == resume


def test_an_answer_that_is_not_what_was_asked_for_is_told(
    admin_client: Client, thread: Thread, echo: Assistant
) -> None:
    asked = {"value": "Really?", "id": "i", "response_schema": OBJECT}
    Thread.objects.update(status="interrupted", interrupts={"task": [asked]})
    form = {"answer-answer.seats": "0", "answer-assistant": str(echo.pk)}
    response = admin_client.post(url(thread, "run", thread.pk), form)
    assert "greater than or equal to 1" in response.content.decode()
    assert not Run.objects.exists()


def test_assistants_of_other_groups_are_not_offered(client: Client, thread: Thread, echo: Assistant) -> None:
    echo.groups.add(Group.objects.create(name="others"))
    permissions = ["threads.view_thread", "threads.view_thread_content", "runs.add_run"]
    log_in_staff(client, *permissions, "threads.manage_all_threads")
    assert str(echo.pk) not in page(client, url(thread, "change", thread.pk))
    assert run(client, thread, echo, message="x").status_code == 200
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "lacking", ["runs.add_run", "threads.view_thread_content", "threads.manage_all_threads"]
)
def test_running_takes_permissions_and_access(
    client: Client, thread: Thread, echo: Assistant, lacking: str
) -> None:
    permissions = {"threads.view_thread_content", "runs.add_run", "threads.manage_all_threads"}
    log_in_staff(client, "threads.view_thread", *(permissions - {lacking}))
    assert run(client, thread, echo, message="x").status_code == 403
    assert url(thread, "run", thread.pk) not in page(client, url(thread, "change", thread.pk))
    assert not Run.objects.exists()


def test_a_step_leads_to_a_run_from_there(admin_client: Client, thread: Thread, echo: Assistant) -> None:
    from threads import timeline

    execute(thread, "echo", human("hi"))
    step = timeline.steps(thread)[0][-1]
    link = f"{url(thread, 'change', thread.pk)}?checkpoint={step.checkpoint_id}"
    assert link in page(admin_client, url(thread, "checkpoint", thread.pk, step.checkpoint_id))
    assert f'value="{step.checkpoint_id}"' in page(admin_client, link)


def test_active_runs_are_cancelled_from_the_list(admin_client: Client) -> None:
    threads = [Thread.objects.create() for _ in range(2)]
    for thread in threads:
        submit(thread)
        submit(thread)
    do_to_all(admin_client, threads, "cancel")
    assert {run.status for run in Run.objects.all()} == {"interrupted"}
    assert LogEntry.objects.count() == 2


def test_active_runs_are_rolled_back_after_a_question(admin_client: Client, thread: Thread) -> None:
    submit(thread)
    assert b"Are you sure" in admin_client.post(url(thread, "verb", thread.pk, "rollback")).content
    do(admin_client, thread, "rollback")
    assert not Run.objects.exists()
    assert Thread.objects.get().status == "idle"


def test_the_last_run_is_retried(admin_client: Client, thread: Thread) -> None:
    Thread.objects.update(status="error")
    failed = make_run(thread, "error")
    do(admin_client, thread, "retry")
    failed.refresh_from_db()
    assert failed.status == "pending"


def test_what_staff_may_see_they_may_not_cancel(client: Client, thread: Thread) -> None:
    """The permission counts for threads that one has access to."""
    log_in_staff(client, "threads.view_thread", "runs.cancel_run")
    submit(thread)
    assert do(client, thread, "cancel").status_code == 403
    do_to_all(client, [thread], "cancel")
    assert Run.objects.get().status == "pending"


def test_the_runs_of_a_thread_are_capped(admin_client: Client, thread: Thread) -> None:
    for _ in range(25):
        make_run(thread)
    content = page(admin_client, url(thread, "runs", thread.pk))
    assert content.count("console-badge") == 20
    assert f"?q={thread.pk}" in content
