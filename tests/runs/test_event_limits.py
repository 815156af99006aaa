"""How large events and reads may be, and how followers of runs that end oddly end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS
from procrastinate.contrib.django.utils import connector_params
from pytest_django import Settings

from runs.events import reader
from runs.events.reader import StreamsClosed, follow, wait_for_end
from runs.models import Run
from tests.runs.engine import IDLE, aclaimed, afinish, alog_of, asubmit, work_off
from tests.runs.told import Folder
from threads.models import Thread

PATIENCE = 10.0  # seconds

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def no_polling(settings: Settings) -> None:
    settings.SKEINO_EVENT_POLL_SECONDS = 600.0


async def log(run: Run, *data: str) -> None:
    """Write events with these data, numbered from 1 on."""
    async with await psycopg.AsyncConnection.connect(**connector_params(DEFAULT_DB_ALIAS)) as database:
        await database.cursor().executemany(
            "INSERT INTO runs_runevent (run_id, seq, event, data) VALUES (%s, %s, 'values', %s)",
            [(run.pk, seq, text) for seq, text in enumerate(data, 1)],
        )


async def shouted(folder: Folder, characters: int) -> Run:
    body: dict[str, Any] = {"input": {**folder.input, "name": str(characters)}, "stream_mode": ["custom"]}
    run = await asubmit("shouting", **body)
    await work_off()
    return await Run.objects.select_related("thread").aget(pk=run.pk)


# --- one event ---


@pytest.mark.parametrize(("characters", "fits"), [(332, True), (333, False)])
async def test_an_event_has_so_many_bytes_and_no_more(
    tmp_path: Path, settings: Settings, characters: int, fits: bool
) -> None:
    settings.SKEINO_MAX_EVENT_BYTES = 1000  # each character takes three, the quotes two
    with Folder(tmp_path) as folder:
        run = await shouted(folder, characters)
    if fits:
        assert run.status == "success", run.error
        return
    message = "An event 'custom' has 1,001 bytes, more than the 1,000 of a stream's events."
    assert run.error == {"error": "EventTooLarge", "message": message}
    assert (run.status, run.thread.status, run.thread.values["done"]) == ("error", "error", ["first"])
    assert await alog_of(run) == ["metadata", "error", "end"]


async def test_a_result_that_is_too_large_for_the_stream_is_an_error_of_the_run(settings: Settings) -> None:
    settings.SKEINO_MAX_EVENT_BYTES = 1000
    run = await asubmit("slow", input={"text": "0", "log": ["x" * 1000]}, stream_mode=["values"])
    await work_off()
    assert (await Run.objects.aget(pk=run.pk)).error["error"] == "EventTooLarge"
    assert (await alog_of(run))[-2:] == ["error", "end"]


# --- one read ---


@pytest.mark.usefixtures("no_polling")
@pytest.mark.parametrize("character", ["x", "€"])
@pytest.mark.parametrize("sizes", [[10] * 50, [1000] * 9, [5000, 10, 10, 5000, 5000, 10], [999, 1, 999, 1]])
async def test_a_read_that_is_cut_off_by_its_size_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], character: str
) -> None:
    monkeypatch.setattr(reader, "SIZE_PER_READ", 1000)
    run = await aclaimed()
    await log(run, *(character * size for size in sizes))
    await afinish(run, Run.Status.SUCCESS, IDLE, seq=len(sizes) + 1)
    reads = []
    async with asyncio.timeout(PATIENCE):
        async for events in follow(run.pk):
            reads.append([event.seq for event in events])
            before_last = sum(len(event.data.encode()) for event in events[:-1])
            assert before_last < 1000  # one event may go beyond the limit
    assert [seq for seqs in reads for seq in seqs] == list(range(1, len(sizes) + 1))


@pytest.mark.usefixtures("no_polling")
async def test_reads_that_are_cut_off_by_their_number_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "EVENTS_PER_READ", 3)
    for count in (2, 3, 4, 6, 7):
        run = await aclaimed()
        await log(run, *("{}" for _ in range(count)))
        await afinish(run, Run.Status.SUCCESS, IDLE, seq=count + 1)
        async with asyncio.timeout(PATIENCE):
            seqs = [event.seq async for events in follow(run.pk) for event in events]
        assert seqs == list(range(1, count + 1))


# --- runs that end oddly ---


async def rolled_back(run: Run) -> None:
    assert await sync_to_async(run.cancel)(Run.CancelAction.ROLLBACK)


async def deleted(run: Run) -> None:
    await sync_to_async(run.delete)()


async def deleted_with_its_thread(run: Run) -> None:
    await sync_to_async(lambda: Thread.objects.get(pk=run.thread_id).delete())()


async def cancelled_while_it_waits(run: Run) -> None:
    await Run.objects.filter(pk=run.pk).aupdate(status="pending")
    assert await sync_to_async(run.cancel)()


@pytest.mark.usefixtures("no_polling")
@pytest.mark.parametrize("until", [follow, wait_for_end])
@pytest.mark.parametrize("end", [rolled_back, deleted, deleted_with_its_thread, cancelled_while_it_waits])
async def test_who_follows_a_run_hears_at_once_that_it_is_gone(
    end: Callable[[Run], Any], until: Callable[..., Any]
) -> None:
    run = await aclaimed()
    await log(run, "{}")

    async def followed() -> None:
        if until is wait_for_end:
            await wait_for_end(run.pk)
        else:
            assert [event.seq async for events in follow(run.pk) for event in events] == [1]

    following = asyncio.create_task(followed())
    await asyncio.sleep(0.2)
    assert not following.done()
    started = time.monotonic()
    await end(run)
    await asyncio.wait_for(following, PATIENCE)
    assert time.monotonic() - started < 5


# --- processes that stop ---


@pytest.mark.usefixtures("no_polling")
async def test_streams_are_broken_off_when_their_process_stops() -> None:
    run = await aclaimed()
    await log(run, "{}")
    waiting = asyncio.create_task(wait_for_end(run.pk))
    stream = follow(run.pk)
    assert [event.seq for event in await anext(stream)] == [1]
    following = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.1)
    reader.end_streams()
    for broken_off in (waiting, following):
        with pytest.raises(StreamsClosed):
            await asyncio.wait_for(broken_off, PATIENCE)
    with pytest.raises(StreamsClosed):  # and who comes later
        await asyncio.wait_for(wait_for_end(run.pk), PATIENCE)
    assert reader.open_streams() == 0


async def test_streams_that_have_not_yet_reached_the_database_are_broken_off_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = {**connector_params(DEFAULT_DB_ALIAS), "host": "127.0.0.1", "port": "1"}
    monkeypatch.setattr(reader, "direct", lambda: nowhere)
    run = await aclaimed()
    waiting = asyncio.create_task(wait_for_end(run.pk))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    reader.end_streams()
    with pytest.raises(StreamsClosed):
        await asyncio.wait_for(waiting, PATIENCE)
