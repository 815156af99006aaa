from __future__ import annotations

import uuid
from functools import partial
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from tests.runs.engine import at_once
from tests.threads.running import count_rows, execute, human
from threads import checkpointer
from threads.exceptions import ThreadBusy, ThreadNotFound
from threads.models import Thread
from threads.state import update

pytestmark = pytest.mark.django_db


@pytest.fixture
def thread() -> Thread:
    return Thread.objects.create(metadata={"graph_id": "sub"})


def edit(api: APIClient, thread: Thread, **body: Any) -> dict[str, Any]:
    response = api.post(f"/threads/{thread.pk}/state", body)
    assert response.status_code == 200, response.content
    return dict(response.json())


def state(api: APIClient, thread: Thread) -> dict[str, Any]:
    return dict(api.get(f"/threads/{thread.pk}/state").json())


def test_it_writes_as_if_a_node_had(api: APIClient, thread: Thread) -> None:
    execute(thread, "sub", {"text": "x"})
    edit(api, thread, values={"text": "y", "log": ["edited"]}, as_node="child")
    found = state(api, thread)
    assert found["values"] == {"text": "y", "log": ["inner x", "after x", "edited"]}
    assert (found["next"], found["metadata"]["source"]) == (["after"], "update")


def test_it_answers_with_the_new_checkpoint_in_every_form_that_clients_read(
    api: APIClient, thread: Thread
) -> None:
    answer = edit(api, thread, values={"text": "y"}, as_node="after")
    checkpoint = {
        "thread_id": str(thread.pk),
        "checkpoint_ns": "",
        "checkpoint_id": state(api, thread)["checkpoint_id"],
    }
    assert answer["checkpoint"] == answer["configurable"] == checkpoint
    assert checkpoint.items() <= answer.items()
    assert answer["checkpoint_map"] is None


def test_the_thread_shows_what_was_written(api: APIClient, thread: Thread) -> None:
    before = api.get(f"/threads/{thread.pk}").json()
    edit(api, thread, values={"text": "y"}, as_node="after")
    after = api.get(f"/threads/{thread.pk}").json()
    assert (after["values"]["text"], after["status"]) == ("y", "idle")
    assert after["state_updated_at"] > before["state_updated_at"]
    assert api.post("/threads/search", {"values": {"text": "y"}}).json() == [after]


def test_a_thread_with_something_left_to_do_is_interrupted(api: APIClient, thread: Thread) -> None:
    edit(api, thread, values={"text": "y"}, as_node="child")
    assert api.get(f"/threads/{thread.pk}").json()["status"] == "interrupted"


def test_an_edit_can_end_the_waiting(api: APIClient, thread: Thread) -> None:
    execute(thread, "interrupting", {"question": "sure?"})
    edit(api, thread, values={"answers": ["by hand"]}, as_node="ask")
    assert (state(api, thread)["next"], state(api, thread)["interrupts"]) == (["conclude"], [])
    assert execute(thread, "interrupting", None)["answers"] == ["by hand", "done"]


def test_the_next_run_goes_on_from_it(api: APIClient, thread: Thread) -> None:
    thread.patch(metadata={"graph_id": "echo"})
    edit(api, thread, values=human("edited"), as_node="node")
    messages = execute(thread, "echo", human("hi"))["messages"]
    assert [message.content for message in messages] == ["edited", "hi", "echo: hi"]


def test_messages_are_merged_by_their_ids(api: APIClient, thread: Thread) -> None:
    execute(thread, "echo", human("hi"))
    message = state(api, thread)["values"]["messages"][0]
    edit(api, thread, values={"messages": [{**message, "content": "ho"}]}, as_node="node")
    assert [m["content"] for m in state(api, thread)["values"]["messages"]] == ["ho", "echo: hi"]


def test_without_a_node_it_is_the_last_that_wrote(api: APIClient, thread: Thread) -> None:
    execute(thread, "sub", {"text": "x"})
    edit(api, thread, values={"text": "y"})
    assert (state(api, thread)["values"]["text"], state(api, thread)["next"]) == ("y", [])


def test_nothing_can_be_written_too(api: APIClient, thread: Thread) -> None:
    execute(thread, "interrupting", {"question": "sure?"})
    for body in ({"values": None}, {}):
        edit(api, thread, **body)
    assert state(api, thread)["values"]["question"] == "sure?"


@pytest.mark.parametrize("values", [[["text", "y"], ["log", ["a"]]], [{"text": "y"}, {"log": ["a"]}]])
def test_several_updates_are_written_one_after_another(
    api: APIClient, thread: Thread, values: list[Any]
) -> None:
    edit(api, thread, values=values, as_node="after")
    assert state(api, thread)["values"] == {"text": "y", "log": ["a"]}


def test_it_forks_from_an_earlier_checkpoint(api: APIClient, thread: Thread) -> None:
    for text in ("one", "two"):
        execute(thread, "echo", human(text))
    earlier = api.get(f"/threads/{thread.pk}/history").json()[3]
    answers = [{"role": "ai", "content": "forked"}]
    for where in ({"checkpoint": earlier["checkpoint"]}, {"checkpoint_id": earlier["checkpoint_id"]}):
        edit(api, thread, values={"messages": answers}, as_node="node", **where)
        found = state(api, thread)
        assert found["parent_checkpoint_id"] == earlier["checkpoint_id"]
        assert [m["content"] for m in found["values"]["messages"]] == ["one", "echo: one", "forked"]


def test_keys_that_the_output_schema_hides_stay_hidden(api: APIClient, thread: Thread) -> None:
    execute(thread, "hidden", {"text": "x"})
    edit(api, thread, values={"secret": "swordfish"}, as_node="node")
    for path in ("", "/state", "/history"):
        assert "swordfish" not in api.get(f"/threads/{thread.pk}{path}").content.decode()


# Which graph


def test_a_thread_that_never_ran_has_the_default_graph(
    api: APIClient, thread: Thread, settings: Settings
) -> None:
    settings.SKEINO_DEFAULT_ASSISTANT = "sub"
    new = Thread.objects.create()
    edit(api, new, values={"text": "y"}, as_node="after")
    assert api.get(f"/threads/{new.pk}").json()["values"]["text"] == "y"
    assert state(api, new)["values"]["text"] == "y"


@pytest.mark.parametrize("graph_id", ["gone", 1, ["echo"], {"a": 1}])
def test_a_graph_that_is_gone_takes_no_edits(api: APIClient, thread: Thread, graph_id: Any) -> None:
    thread.patch(metadata={"graph_id": graph_id})
    response = api.post(f"/threads/{thread.pk}/state", {"values": {"text": "y"}})
    assert response.status_code == 400
    assert "graph" in response.json()["detail"]


# What is refused


@pytest.mark.parametrize("as_node", ["nobody", "", "__end__", "a|b"])
def test_a_node_that_is_not_there_is_a_bad_request(api: APIClient, thread: Thread, as_node: str) -> None:
    response = api.post(f"/threads/{thread.pk}/state", {"values": {"text": "y"}, "as_node": as_node})
    assert response.status_code in (400, 422)
    assert isinstance(response.json()["detail"], str)


@pytest.mark.parametrize("values", [{"log": 1}, {"log": None}, [["log", {"a": 1}]]])
def test_values_that_the_graph_does_not_take_are_a_bad_request(
    api: APIClient, thread: Thread, values: Any
) -> None:
    execute(thread, "sub", {"text": "x"})
    before = state(api, thread)
    response = api.post(f"/threads/{thread.pk}/state", {"values": values, "as_node": "after"})
    assert response.status_code == 400
    assert state(api, thread) == before


@pytest.mark.parametrize("messages", [[{"role": "stranger", "content": "x"}], [1], "", {"a": 1}])
def test_messages_that_are_none_are_no_server_error(api: APIClient, thread: Thread, messages: Any) -> None:
    thread.patch(metadata={"graph_id": "echo"})
    body = {"values": {"messages": messages}, "as_node": "node"}
    assert api.post(f"/threads/{thread.pk}/state", body).status_code in (200, 400, 422)


@pytest.mark.parametrize(
    "body",
    [
        {"values": "text"},
        {"values": 1},
        {"values": []},
        {"values": [1]},
        {"values": [[1, 2]]},
        {"as_node": {}},
        {"checkpoint": "x"},
        {"checkpoint_id": {}},
    ],
)
def test_a_wrong_value_is_unprocessable_and_named(
    api: APIClient, thread: Thread, body: dict[str, Any]
) -> None:
    response = api.post(f"/threads/{thread.pk}/state", body)
    assert response.status_code == 422
    assert response.json()["detail"].startswith(next(iter(body)))


def test_a_busy_thread_cannot_be_edited(api: APIClient, thread: Thread) -> None:
    Thread.objects.filter(pk=thread.pk).update(status="busy")
    response = api.post(f"/threads/{thread.pk}/state", {"values": {"text": "y"}, "as_node": "after"})
    assert response.status_code == 409
    assert response.json()["detail"] == str(ThreadBusy.default_detail)
    assert not any(count_rows(thread.pk).values())


def test_an_unknown_thread_is_not_found(api: APIClient) -> None:
    assert api.post(f"/threads/{uuid.uuid4()}/state", {"values": {}}).status_code == 404
    assert api.post("/threads/mine/state", {"values": {}}).status_code == 422


def test_a_thread_deleted_meanwhile_is_not_found(thread: Thread) -> None:
    Thread.objects.filter(pk=thread.pk).delete()
    with pytest.raises(ThreadNotFound):
        update(thread, [{"text": "y"}], as_node="after")


@pytest.mark.parametrize("namespace", ["nobody", "nobody:1", "child:1"])
def test_a_namespace_that_is_not_there_is_no_server_error(
    api: APIClient, thread: Thread, namespace: str
) -> None:
    body = {"values": {"text": "y"}, "as_node": "inner", "checkpoint": {"checkpoint_ns": namespace}}
    assert api.post(f"/threads/{thread.pk}/state", body).status_code in (200, 400, 404, 422)


@pytest.mark.django_db(transaction=True)
def test_of_many_edits_at_once_none_is_lost(api: APIClient, thread: Thread) -> None:
    edits = [partial(edit, APIClient(), thread, values={"log": [str(n)]}, as_node="after") for n in range(6)]
    at_once(*edits)
    log = state(api, thread)["values"]["log"]
    checkpointer.delete([str(thread.pk)])
    assert sorted(log) == [str(n) for n in range(6)]
