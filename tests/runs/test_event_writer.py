from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from django.db import DEFAULT_DB_ALIAS
from procrastinate.contrib.django.utils import connector_params

from runs.events import writer
from runs.events.follower import Event
from runs.events.notifications import CHANNEL, payloads
from runs.events.writer import EventWriter, Row
from runs.models import Run, RunEvent
from tests.runs.engine import IDLE, aclaimed, afinish, asubmit

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
async def database() -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection of the test's own."""
    async with await psycopg.AsyncConnection.connect(**connect_kwargs(), autocommit=True) as connection:
        yield connection


@pytest.fixture
async def events() -> AsyncIterator[EventWriter]:
    async with EventWriter(connect_kwargs(application_name="event-writer")).running() as writer:
        yield writer


def connect_kwargs(**more: Any) -> dict[str, Any]:
    return {**connector_params(DEFAULT_DB_ALIAS), **more}


def row(run: Run, seq: int, data: str = "{}") -> Row:
    return Row(run.pk, run.attempt, seq, "values", data)


def told(run: Run, *seqs: int) -> str:
    """The notification of such rows."""
    [payload] = payloads(run.pk, [Event(seq, "values", "{}") for seq in seqs])
    return payload


async def written(run: Run) -> list[int]:
    return [seq async for seq in RunEvent.objects.filter(run=run).values_list("seq", flat=True)]


@asynccontextmanager
async def log_locked() -> AsyncIterator[None]:
    """Nobody can write the log inside the block."""
    async with await psycopg.AsyncConnection.connect(**connect_kwargs()) as connection:
        await connection.execute("LOCK runs_runevent IN SHARE MODE")
        yield


async def until_somebody_waits_for_a_lock(database: psycopg.AsyncConnection) -> None:
    """Until a statement of the event writer is blocked."""
    query = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'event-writer' AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(10):
        while not await (await database.execute(query)).fetchone():
            await asyncio.sleep(0.01)


async def terminate(database: psycopg.AsyncConnection) -> int:
    """Close the event writer's connections. How many there were."""
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'event-writer' AND datname = current_database()"
    )
    return len(await (await database.execute(query)).fetchall())


async def test_what_is_flushed_is_committed_in_order(events: EventWriter) -> None:
    run = await aclaimed()
    for seq in range(1, 51):
        await events.append(Row(run.pk, 1, seq, f"event {seq}", f'{{"n":{seq}}}'))
    await events.flush()
    found = [event async for event in RunEvent.objects.filter(run=run).order_by("seq")]
    assert [event.seq for event in found] == list(range(1, 51))
    assert {(event.event, event.data) for event in found} == {
        (f"event {seq}", f'{{"n":{seq}}}') for seq in range(1, 51)
    }


async def test_an_event_is_written_without_being_asked_to(
    events: EventWriter, database: psycopg.AsyncConnection
) -> None:
    run = await aclaimed()
    await database.execute(f"LISTEN {CHANNEL}")
    await events.append(row(run, 1))
    [notification] = [one async for one in database.notifies(timeout=10, stop_after=1)]
    assert notification.payload == told(run, 1)
    assert await written(run) == [1]


async def test_events_that_gather_during_a_write_are_written_together(
    events: EventWriter, database: psycopg.AsyncConnection
) -> None:
    runs = [await aclaimed() for _ in range(3)]
    async with log_locked():
        await events.append(row(runs[0], 1))
        await until_somebody_waits_for_a_lock(database)
        for seq in range(2, 302):
            for run in runs:
                await events.append(row(run, seq))
    await events.flush()
    assert [await written(run) for run in runs[1:]] == [list(range(2, 302))] * 2
    found = await database.execute("SELECT count(DISTINCT xmin::text) FROM runs_runevent")
    assert await found.fetchone() == (2,)


async def test_what_follows_soon_is_written_together(
    events: EventWriter, database: psycopg.AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GATHER_SECONDS", 0.5)
    run, other = await aclaimed(), await aclaimed()
    await database.execute(f"LISTEN {CHANNEL}")
    await events.append(row(run, 1))
    assert [one.payload async for one in database.notifies(timeout=0.3, stop_after=1)] == [told(run, 1)]
    for seq in (2, 3):
        await events.append(row(run, seq))
    await events.append(row(other, 1))
    assert await written(run) == [1]
    together = [one.payload async for one in database.notifies(timeout=1)]
    assert sorted(together) == sorted([told(run, 2, 3), told(other, 1)])
    assert await written(run) == [1, 2, 3]


async def test_what_nobody_waits_for_is_written_later(
    events: EventWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LEISURE_SECONDS", 0.5)
    run, other = await aclaimed(), await aclaimed()
    await events.append(row(run, 1), soon=False)
    await asyncio.sleep(0.1)
    assert await written(run) == []
    async with asyncio.timeout(10):
        while not await written(run):
            await asyncio.sleep(0.05)
    await events.append(row(run, 2), soon=False)
    await events.append(row(other, 1))  # takes it along
    async with asyncio.timeout(0.4):
        while await written(run) != [1, 2]:
            await asyncio.sleep(0.02)


async def test_what_is_taken_is_left_to_who_takes_it(
    events: EventWriter, database: psycopg.AsyncConnection
) -> None:
    run, other = await aclaimed(), await aclaimed()
    async with log_locked():
        await events.append(row(run, 1))
        await until_somebody_waits_for_a_lock(database)
        for seq in (2, 3):
            await events.append(row(run, seq))
        await events.append(row(other, 1))
        taking = asyncio.create_task(events.take(run.pk))
        assert not (await asyncio.wait([taking], timeout=0.2))[0]  # what is before must be committed
    assert await taking == [row(run, 2), row(run, 3)]
    assert await written(run) == [1]
    await events.flush()
    assert (await written(run), await written(other)) == ([1], [1])


async def test_nothing_is_written_or_told_for_a_lost_attempt(
    events: EventWriter, database: psycopg.AsyncConnection
) -> None:
    lost = await aclaimed()
    await events.append(row(lost, 1))
    await events.flush()
    await Run.objects.filter(pk=lost.pk).aupdate(attempt=2)
    await database.execute(f"LISTEN {CHANNEL}")
    await events.append(row(lost, 2))
    await events.append(Row(lost.pk, 2, 3, "values", "{}"))
    await events.flush()
    assert await written(lost) == [1, 3]
    assert [one.payload async for one in database.notifies(timeout=0.3)] == [told(lost, 3)]


async def test_nothing_is_written_after_the_end(events: EventWriter) -> None:
    run = await aclaimed()
    await afinish(run, Run.Status.SUCCESS, IDLE, seq=1)
    await events.append(row(run, 2))
    await events.flush()
    assert await written(run) == [1]


async def test_nothing_is_written_for_a_run_that_waits(events: EventWriter) -> None:
    run = await asubmit()
    await events.append(row(run, 1))
    await events.flush()
    assert await written(run) == []


async def test_an_event_is_written_once(events: EventWriter) -> None:
    run = await aclaimed()
    await events.append(row(run, 1, '"first"'))
    await events.append(row(run, 1, '"again"'))
    await events.flush()
    assert (await RunEvent.objects.aget(run=run)).data == '"first"'


async def test_a_deleted_run_does_not_hurt_the_others(events: EventWriter) -> None:
    deleted, kept = await aclaimed(), await aclaimed()
    await Run.objects.filter(pk=deleted.pk).adelete()
    await events.append(row(deleted, 1))
    await events.append(row(kept, 1))
    await events.flush()
    assert (await written(deleted), await written(kept)) == ([], [1])


async def test_a_run_deleted_while_its_events_are_written_does_not_hurt_the_others(
    events: EventWriter, database: psycopg.AsyncConnection
) -> None:
    deleted, kept = await aclaimed(), await aclaimed()
    async with await psycopg.AsyncConnection.connect(**connect_kwargs()) as deleting:
        await deleting.execute("DELETE FROM runs_run WHERE id = %s", [deleted.pk])
        await events.append(row(deleted, 1))
        await events.append(row(kept, 1))
        await until_somebody_waits_for_a_lock(database)
    await events.flush()
    assert (await written(deleted), await written(kept)) == ([], [1])


async def test_it_survives_the_loss_of_its_connection(
    events: EventWriter, database: psycopg.AsyncConnection
) -> None:
    run = await aclaimed()
    await events.append(row(run, 1))
    await events.flush()
    assert await terminate(database) == 1
    await events.append(row(run, 2))
    await events.flush()
    assert await written(run) == [1, 2]


async def test_it_survives_the_loss_of_its_connection_during_a_write(
    events: EventWriter, database: psycopg.AsyncConnection
) -> None:
    run = await aclaimed()
    async with log_locked():
        await events.append(row(run, 1))
        await until_somebody_waits_for_a_lock(database)
        await terminate(database)
        await events.append(row(run, 2))
    await events.flush()
    assert await written(run) == [1, 2]


async def test_who_appends_waits_while_too_much_is_unwritten(
    events: EventWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 1000)
    run = await aclaimed()
    async with log_locked():
        await events.append(row(run, 1, "x" * 1001))
        waiting = asyncio.create_task(events.append(row(run, 2)))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
    await asyncio.wait_for(waiting, 10)
    await events.flush()
    assert await written(run) == [1, 2]


async def test_what_is_appended_is_written_before_the_writer_ends() -> None:
    run = await aclaimed()
    async with EventWriter(connect_kwargs()).running() as events:
        await events.append(row(run, 1))
    assert await written(run) == [1]


async def test_its_connection_is_closed_when_it_ends(database: psycopg.AsyncConnection) -> None:
    run = await aclaimed()
    async with EventWriter(connect_kwargs(application_name="event-writer")).running() as events:
        await events.append(row(run, 1))
    async with asyncio.timeout(10):  # the server notices a little later
        while await terminate(database):
            await asyncio.sleep(0.01)


async def test_when_it_cannot_write_its_owner_fails_too() -> None:
    run = await aclaimed()
    with pytest.raises(ExceptionGroup) as failure:
        async with EventWriter(connect_kwargs()).running() as events:
            await events.append(Row(run.pk, 1, 1, "values", "no \0 in text"))
            await asyncio.Event().wait()
    assert failure.group_contains(psycopg.DataError)
