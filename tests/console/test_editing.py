from __future__ import annotations

import json
import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from tests.console.pages import SCRIPT, log_in_staff, page, submit, url
from tests.threads.running import execute, human
from threads import state, timeline
from threads.models import Thread

pytestmark = pytest.mark.django_db

PERMISSIONS = {"threads.change_state", "threads.view_thread_content", "threads.manage_all_threads"}


def write(client: Client, thread: Thread, **fields: str):
    return client.post(
        url(thread, "edit_state", thread.pk), {f"state-{name}": value for name, value in fields.items()}
    )


def said(thread: Thread) -> list[str]:
    return [message.content for message in state.read(thread)["values"]["messages"]]


def test_the_state_is_edited_as_a_node(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("hi"))
    response = write(admin_client, thread, values=json.dumps(human("edited")), as_node="node")
    assert response.headers["Location"] == url(thread, "change", thread.pk)
    assert said(thread) == ["hi", "echo: hi", "edited"]
    assert LogEntry.objects.get().change_message == "edit the state as node node"
    thread.refresh_from_db()
    assert thread.message_count == 3


def test_it_is_edited_at_an_earlier_checkpoint(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("one"))
    then = timeline.steps(thread)[0][0].checkpoint_id
    execute(thread, "echo", human("two"))
    content = page(admin_client, url(thread, "edit_state", thread.pk) + f"?checkpoint={then}")
    assert f'value="{then}"' in content
    assert "echo: one" in content
    assert "echo: two" not in content
    write(admin_client, thread, values=json.dumps(human("edited")), as_node="node", checkpoint_id=then)
    assert said(thread) == ["one", "echo: one", "edited"]
    assert then in LogEntry.objects.get().change_message


def test_the_nodes_of_the_graph_are_offered_and_the_state_is_escaped(
    admin_client: Client, thread: Thread
) -> None:
    execute(thread, "echo", human(SCRIPT))
    content = page(admin_client, url(thread, "edit_state", thread.pk))
    assert '<option value="node">' in content
    assert "__start__" not in content
    assert SCRIPT not in content


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"values": "{"}, "valid JSON"),
        ({"values": "[" * 100_000}, "valid JSON"),
        ({"values": '"text"'}, "values: Must be an object"),
        ({"values": "7"}, "object"),
        ({"values": "[1]"}, "object"),
        ({"as_node": "nobody"}, "nobody"),
        ({"as_node": "__copy__"}, "__copy__"),
        ({"checkpoint_id": "x"}, "UUID"),
        ({"values": '{"messages": [{"role": "stranger", "content": "x"}]}', "as_node": "node"}, "stranger"),
        ({"checkpoint_id": str(uuid.uuid4()), "values": '{"messages": 3.5}', "as_node": "node"}, "errorlist"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    admin_client: Client, thread: Thread, fields: dict[str, str], wrong: str
) -> None:
    execute(thread, "echo", human("hi"))
    before = len(timeline.steps(thread)[0])
    response = write(admin_client, thread, **fields)
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert wrong in response.content.decode()
    assert len(timeline.steps(thread)[0]) == before
    assert not LogEntry.objects.exists()


def test_nothing_may_be_written_too(admin_client: Client, thread: Thread) -> None:
    execute(thread, "interrupting", {"question": "sure?"})
    assert write(admin_client, thread).status_code == 302
    assert state.read(thread)["values"]["question"] == "sure?"


def test_a_busy_thread_is_not_edited(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("hi"))
    submit(thread)
    response = write(admin_client, thread, values=json.dumps(human("edited")), as_node="node")
    assert b"already running" in response.content
    assert said(thread) == ["hi", "echo: hi"]


def test_a_thread_without_a_graph_says_so(admin_client: Client, thread: Thread) -> None:
    thread.patch(metadata={"graph_id": "gone"})
    assert "<option" in page(admin_client, url(thread, "edit_state", thread.pk))
    assert b"graph" in write(admin_client, thread, values="{}").content


@pytest.mark.parametrize("checkpoint", [uuid.uuid4(), "1f0c0000-0000-6000-8000-000000000000"])
def test_a_checkpoint_that_is_not_there_is_not_found(
    admin_client: Client, thread: Thread, checkpoint: object
) -> None:
    address = url(thread, "edit_state", thread.pk)
    assert admin_client.get(f"{address}?checkpoint={checkpoint}").status_code == 404
    page(admin_client, f"{address}?checkpoint=nonsense")


def test_a_large_state_does_not_hurt_the_page(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("x" * 6_000_000))
    newest = timeline.steps(thread)[0][0].checkpoint_id
    Thread.objects.filter(pk=thread.pk).update(values=human("x" * 20_000_000))
    for query in ("", f"?checkpoint={newest}"):
        content = page(admin_client, url(thread, "edit_state", thread.pk) + query)
        assert "too large" in content.lower()
        assert len(content) < 50_000


# Back to a checkpoint


def test_it_goes_back_to_a_checkpoint_and_keeps_the_other_branch(
    admin_client: Client, thread: Thread
) -> None:
    execute(thread, "echo", human("one"))
    then = timeline.steps(thread)[0][0].checkpoint_id
    execute(thread, "echo", human("two"))
    assert url(thread, "fork", thread.pk, then) in page(
        admin_client, url(thread, "checkpoint", thread.pk, then)
    )
    admin_client.post(url(thread, "fork", thread.pk, then))
    assert said(thread) == ["one", "echo: one"]
    thread.refresh_from_db()
    assert thread.message_count == 2
    assert len(timeline.steps(thread)[0]) == 7
    assert then in LogEntry.objects.get().change_message


def test_what_is_not_there_cannot_be_gone_back_to(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("one"))
    assert admin_client.post(url(thread, "fork", thread.pk, uuid.uuid4())).status_code == 302
    assert admin_client.get(url(thread, "fork", thread.pk, uuid.uuid4())).status_code == 405
    assert len(timeline.steps(thread)[0]) == 3
    assert not LogEntry.objects.exists()


# Who may


@pytest.mark.parametrize("lacking", sorted(PERMISSIONS))
def test_editing_takes_permissions_and_access(client: Client, thread: Thread, lacking: str) -> None:
    execute(thread, "echo", human("one"))
    then = timeline.steps(thread)[0][0].checkpoint_id
    log_in_staff(client, "threads.view_thread", *(PERMISSIONS - {lacking}))
    assert client.get(url(thread, "edit_state", thread.pk)).status_code == 403
    assert write(client, thread, values="{}").status_code == 403
    assert client.post(url(thread, "fork", thread.pk, then)).status_code == 403
    content = page(client, url(thread, "change", thread.pk))
    assert url(thread, "edit_state", thread.pk) not in content
    assert len(timeline.steps(thread)[0]) == 3


def test_staff_who_may_edit_do(client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("one"))
    log_in_staff(client, "threads.view_thread", *PERMISSIONS)
    assert url(thread, "edit_state", thread.pk) in page(client, url(thread, "change", thread.pk))
    assert write(client, thread, values=json.dumps(human("x")), as_node="node").status_code == 302
    assert said(thread)[-1] == "x"
