"""What a call leads to, read when its run has ended, whatever has happened since."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from pytest_django import Settings
from rest_framework.test import APIClient

from runs.graph_api.streaming import ConversationResponse, last_chunk, result_of
from runs.models import Run
from tests.runs.engine import asubmit, new_thread, work_off
from tests.runs.graph_api.api import call, said

NAMED: dict[str, Any] = {"config": {"configurable": {"thread_id": "mine"}}}


def asking(text: str) -> dict[str, Any]:
    return {"input": {"messages": [{"role": "user", "content": text}]}, **NAMED}


async def result(run: Run) -> dict[str, Any]:
    runs: QuerySet[Run] = Run.objects.select_related("thread", "assistant")
    return await sync_to_async(result_of)(await runs.aget(pk=run.pk))


@pytest.mark.usefixtures("engine")
async def test_a_run_shows_its_own_end_and_not_a_later_one() -> None:
    thread = await sync_to_async(new_thread)()
    first = await asubmit("echo", thread=thread, **asking("one"))
    second = await asubmit("echo", thread=thread, **asking("two"))
    other = await asubmit("slow", thread=thread, input={"text": "1"}, **NAMED)
    await work_off()
    assert [content for _, content in said(await result(first))] == ["one", "echo: one"]
    assert [content for _, content in said(await result(second))][2:] == ["two", "echo: two"]
    assert (await result(other))["state"] == {"text": "1", "log": ["1 steps"]}


@pytest.mark.usefixtures("engine")
async def test_a_run_that_never_began_shows_the_thread_as_it_is() -> None:
    thread = await sync_to_async(new_thread)()
    first = await asubmit("echo", thread=thread, **asking("one"))
    await work_off()
    second = await asubmit("echo", thread=thread, **asking("two"))
    await sync_to_async(second.drain)()
    stopped = await result(second)
    assert (stopped["status"], stopped["messages"]) == ("stopped", (await result(first))["messages"])


@pytest.mark.usefixtures("engine")
async def test_on_a_new_thread_that_is_nothing() -> None:
    run = await asubmit("echo", **asking("one"))
    await sync_to_async(run.drain)()
    assert (await result(run))["messages"] == []


@pytest.mark.usefixtures("engine")
async def test_a_breakpoint_is_an_interruption() -> None:
    run = await asubmit("echo", interrupt_before=["node"], **asking("one"))
    await work_off()
    found = await result(run)
    assert (found["status"], found["interrupts"]) == ("interrupted", [])


@pytest.fixture
def anonymous(settings: Settings, engine_db: None) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True


@pytest.mark.usefixtures("anonymous")
def test_a_run_that_still_goes_on_has_no_last_chunk_and_no_result() -> None:
    """When this process stops and others carry on."""
    run = Run.objects.get(pk=_submitted())
    response = ConversationResponse(run, "r1").answer()
    assert last_chunk(run, waits=False) is None
    assert (response.status_code, b"STOPPING" in response.content) == (503, True)
    run.delete()
    response = ConversationResponse(run, "r1").answer()
    assert (response.status_code, b"RUN_NOT_FOUND" in response.content) == (404, True)


def _submitted() -> str:
    path = APIClient().post("/v1/graph/stream", call("hi", "mine")).headers["Content-Location"]
    return str(path).rpartition("/")[2]


@pytest.mark.usefixtures("anonymous")
def test_the_log_says_which_run_a_request_has_made(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "runs.graph_api"):
        run_id = _submitted()
    assert run_id in caplog.text
