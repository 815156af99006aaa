from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from langchain_core.tracers import LangChainTracer
from pytest_django import Settings

from assistants.models import Assistant, system_assistant_id
from runs.config import run_config
from runs.events.reader import follow
from runs.models import Run, RunEvent
from tests.graphs.plain import Text, one_node
from tests.runs.api import human
from tests.runs.engine import asubmit, claim, claimed, new_thread, submit, work_off, working
from tests.runs.told import Folder
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("engine")


async def executed(assistant_id: str, **options: Any) -> Run:
    run = await asubmit(assistant_id, **options)
    await work_off()
    return await Run.objects.select_related("thread").aget(pk=run.pk)


async def seen(**body: Any) -> dict[str, Any]:
    """What a node sees of its config."""
    run = await executed("config", input={"seen": {}}, **body)
    assert run.status == "success", run.error
    return dict(run.thread.values["seen"])


@sync_to_async
def checkpoints() -> list[tuple[str, dict[str, Any]]]:
    """Thread id and metadata of all checkpoints."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT thread_id, metadata::text FROM checkpoints ORDER BY checkpoint_id")
        return [(thread_id, json.loads(metadata)) for thread_id, metadata in cursor.fetchall()]


# --- config ---


async def test_the_clients_configurable_and_tags_reach_the_nodes() -> None:
    found = await seen(config={"configurable": {"greeting": "hi"}, "tags": ["mine"]})
    assert found["configurable"]["greeting"] == "hi"
    assert found["tags"] == ["mine"]


@pytest.mark.django_db
def test_the_clients_langsmith_project_is_traced_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.serializers.tracing_is_enabled", lambda: True)
    run = submit(langsmith_tracer={"project_name": "elsewhere", "example_id": None})
    [tracer] = run_config(run)["callbacks"]  # type: ignore[misc]
    assert isinstance(tracer, LangChainTracer)
    assert tracer.project_name == "elsewhere"


async def test_the_assistants_config_stands_under_the_clients() -> None:
    config = {"configurable": {"greeting": "hello", "language": "en"}}
    assistant = await Assistant.objects.acreate(graph_id="config", name="polite", config=config)
    run = await executed(str(assistant.pk), input={"seen": {}}, config={"configurable": {"greeting": "hi"}})
    configurable = run.thread.values["seen"]["configurable"]
    assert (configurable["greeting"], configurable["language"]) == ("hi", "en")
    assert configurable["assistant_id"] == str(assistant.pk)


@pytest.mark.parametrize("place", ["config", "configurable", "context"])
async def test_a_client_cannot_choose_who_the_run_is(place: str) -> None:
    forged = dict.fromkeys(("thread_id", "run_id", "graph_id", "assistant_id"), "forged")
    bodies: dict[str, dict[str, Any]] = {
        "config": {"config": forged},
        "configurable": {"config": {"configurable": forged}},
        "context": {"context": forged},
    }
    run = await executed("config", input={"seen": {}}, **bodies[place])
    configurable = run.thread.values["seen"]["configurable"]
    assert {name: configurable[name] for name in forged} == {
        "thread_id": str(run.thread_id),
        "run_id": str(run.pk),
        "graph_id": "config",
        "assistant_id": str(system_assistant_id("config")),
    }


@pytest.mark.parametrize("place", ["config", "configurable", "context"])
async def test_a_run_neither_reads_nor_writes_another_thread(place: str) -> None:
    victim = await executed("slow", input={"text": "0"})
    before = await checkpoints()
    forged = {"thread_id": str(victim.thread_id)}
    bodies: dict[str, dict[str, Any]] = {
        "config": {"config": forged},
        "configurable": {"config": {"configurable": forged}},
        "context": {"context": forged},
    }
    intruder = await executed("slow", input={"text": "1"}, **bodies[place])
    assert intruder.thread.values == {"text": "1", "log": ["1 steps"]}
    assert [one for one in await checkpoints() if one[0] == str(victim.thread_id)] == before


@pytest.mark.parametrize("place", ["configurable", "context"])
@pytest.mark.parametrize(
    "key", ["__pregel_checkpointer", "__pregel_read", "__pregel_runtime", "__pregel_resuming", "__mine"]
)
async def test_a_client_cannot_reach_langgraphs_internals(place: str, key: str) -> None:
    body = (
        {"config": {"configurable": {key: "mine"}}} if place == "configurable" else {"context": {key: "mine"}}
    )
    assert "__mine" not in (await seen(**body))["keys"]


@pytest.mark.parametrize("place", ["configurable", "context"])
@pytest.mark.parametrize(
    "forged", [{"checkpoint_ns": "child"}, {"checkpoint_id": "1ef"}, {"checkpoint_map": {"": "1ef"}}]
)
async def test_a_config_does_not_say_where_the_run_begins(place: str, forged: dict[str, Any]) -> None:
    body = {"config": {"configurable": forged}} if place == "configurable" else {"context": forged}
    run = await executed("slow", input={"text": "1"}, **body)
    assert run.status == "success"
    assert run.thread.values == {"text": "1", "log": ["1 steps"]}


@pytest.mark.parametrize("key", ["callbacks", "run_id", "surprise"])
async def test_a_config_key_that_is_none_of_the_clients_is_ignored(key: str) -> None:
    found = await seen(config={key: "mine"})
    assert found["configurable"].get(key) != "mine"


async def test_checkpoints_tell_whose_they_are() -> None:
    run = await executed("slow", input={"text": "0"})
    written = await checkpoints()
    assert written
    for thread_id, metadata in written:
        assert thread_id == str(run.thread_id)
        assert metadata["run_id"] == str(run.pk)
        assert metadata["graph_id"] == "slow"
        assert metadata["assistant_id"] == str(run.assistant_id)


@pytest.mark.parametrize(("durability", "count"), [("sync", 3), ("async", 3), ("exit", 1)])
async def test_durability_says_how_many_checkpoints_there_are(durability: str, count: int) -> None:
    await executed("slow", input={"text": "0"}, durability=durability)
    assert len(await checkpoints()) == count


# --- outcome ---


async def test_a_graph_that_cannot_be_built_is_an_error_of_the_run(settings: Settings) -> None:
    def broken() -> Any:
        raise LookupError("no such model")

    settings.SKEINO_GRAPHS = {"broken": broken}
    run = await executed("broken", input={})
    assert (run.status, run.error) == ("error", {"error": "LookupError", "message": "no such model"})
    assert [event async for event in RunEvent.objects.values_list("event", flat=True)] == [
        "metadata",
        "error",
        "end",
    ]


async def test_a_config_that_makes_no_sense_is_an_error_of_the_run() -> None:
    assistant = await Assistant.objects.acreate(graph_id="echo", name="odd", config={"configurable": None})
    run = await executed(str(assistant.pk), input=human("hi"))
    assert (run.status, run.attempt, run.error["error"]) == ("error", 1, "TypeError")


async def test_a_failed_run_keeps_the_state_it_had_reached(settings: Settings) -> None:
    run = await executed("fails", input={"text": "x"})
    assert run.thread.values == {"text": "x", "log": []}


@pytest.mark.parametrize("debug", [False, True])
async def test_what_a_failed_graph_says_is_logged_in_development_alone(
    settings: Settings, caplog: pytest.LogCaptureFixture, debug: bool
) -> None:
    async def fail(state: Text) -> Text:
        raise ValueError(f"cannot make anything of {state['text']}")

    settings.DEBUG, settings.SKEINO_GRAPHS = debug, {"fails": one_node(Text, fail)}
    run = await executed("fails", input={"text": "a secret"})
    assert run.error["message"] == "cannot make anything of a secret"
    assert ("a secret" in caplog.text) is debug
    assert "ValueError" in caplog.text
    assert "in fail" in caplog.text


@pytest.mark.parametrize("text", ["NUL \0", "lone \ud800", "ünïcödé 🦜", "x" * 1_000_000])
async def test_any_text_a_node_returns_can_be_kept(settings: Settings, text: str) -> None:
    async def say(state: Text) -> Text:
        return {"log": [text]}

    settings.SKEINO_GRAPHS = {"says": one_node(Text, say)}
    run = await executed("says", input={"text": "x"})
    assert (run.status, run.error) == ("success", None)
    assert run.thread.values["log"] == [text.replace("\0", "\ufffd").replace("\ud800", "?")]


async def test_what_has_no_json_form_is_shown_as_its_repr(settings: Settings) -> None:
    async def make(state: Text) -> dict[str, Any]:
        return {"log": [Path("/somewhere"), {1, 2}.union(), b"bytes", float("nan")]}

    settings.SKEINO_GRAPHS = {"makes": one_node(Text, make)}
    run = await executed("makes", input={"text": "x"})
    assert run.status == "success"
    assert run.thread.values["log"][1:] == [[1, 2], "Ynl0ZXM=", None]


async def test_usage_is_the_sum_over_the_runs_models() -> None:
    run = await executed("tokens", input=human("hi"))
    usage = run.usage
    assert usage["input_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] == run.total_tokens


async def test_the_log_is_numbered_without_gaps_and_closed_by_the_end() -> None:
    run = await executed("tokens", input=human("hi"), stream_mode=["values", "messages-tuple", "updates"])
    found = [event async for event in RunEvent.objects.filter(run=run).order_by("seq")]
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    assert (found[0].event, found[-1].event) == ("metadata", "end")
    assert json.loads(found[-1].data) == {"status": "success"}


# --- a second attempt ---


@pytest.fixture
def impatient(settings: Settings) -> None:
    settings.SKEINO_WORKER_SHUTDOWN_SECONDS = 0.05


async def handed_back(folder: Folder, **options: Any) -> Run:
    """A run whose worker was stopped while its second node was waiting."""
    run = await asubmit("two_steps", input=folder.input, stream_mode=["custom", "updates"], **options)
    async with working():
        await folder.await_line("second")
    run = await Run.objects.aget(pk=run.pk)
    assert (run.status, run.attempt) == ("pending", 1)
    return run


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_second_attempt_goes_on_from_the_last_checkpoint(tmp_path: Path, durability: str) -> None:
    with Folder(tmp_path) as folder:
        run = await handed_back(folder, durability=durability)
        folder.open("gate")
        await work_off()
    run = await Run.objects.select_related("thread").aget(pk=run.pk)
    assert (run.status, run.attempt) == ("success", 2)
    assert folder.lines == ["first", "second", "second"]
    assert run.thread.values["done"] == ["first", "second"]


@pytest.mark.usefixtures("impatient")
async def test_a_second_attempts_events_follow_the_firsts(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        run = await handed_back(folder)
        folder.open("gate")
        await work_off()
    events = [event async for events in follow(run.pk) for event in events]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.event for event in events] == [
        *("metadata", "updates", "custom"),
        *("metadata", "custom", "updates"),
    ]
    assert [json.loads(e.data)["attempt"] for e in events if e.event == "metadata"] == [1, 2]


async def test_a_second_attempt_without_a_checkpoint_begins_with_the_input() -> None:
    run = await sync_to_async(claimed)("slow", input={"text": "1"})
    await sync_to_async(run.release)()
    await work_off()
    run = await Run.objects.select_related("thread").aget(pk=run.pk)
    assert (run.status, run.attempt) == ("success", 2)
    assert run.thread.values == {"text": "1", "log": ["1 steps"]}


async def test_a_second_attempt_does_not_take_the_run_before_for_its_own() -> None:
    thread = await sync_to_async(new_thread)()
    await asubmit("slow", thread=thread, input={"text": "1"})
    await work_off()

    def submit_and_release() -> None:
        run = claim(submit("slow", thread=thread, input={"text": "2"}).pk)
        assert run is not None
        run.release()

    await sync_to_async(submit_and_release)()
    await work_off()
    thread = await Thread.objects.aget(pk=thread.pk)
    assert thread.values == {"text": "2", "log": ["1 steps", "2 steps"]}
