from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from time import monotonic
from typing import Any, cast

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS
from procrastinate.contrib.django.utils import connector_params
from pytest_django import Settings

from runs.events import notifications, reader
from runs.events.follower import Event
from runs.events.notifications import CHANNEL, payloads
from runs.events.reader import follow, wait_for_end
from runs.models import Run, RunEvent
from tests.runs.engine import IDLE, aclaim, aclaimed, afinish, asubmit
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("engine")

PATIENCE = 10.0  # seconds
LONG = 600.0  # a poll interval that no test lives to see


@pytest.fixture(autouse=True)
def no_polling(settings: Settings) -> None:
    """Events must come by notification, unless a test says otherwise."""
    settings.SKEINO_EVENT_POLL_SECONDS = LONG


@pytest.fixture(autouse=True, params=["told", "read"])
def telling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events come with their notifications, or are too large for them."""
    if request.param == "read":
        monkeypatch.setattr(notifications, "MAX_TOLD", 0)


@pytest.fixture
def named_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's connections can be told from the others."""
    params = {**connector_params(DEFAULT_DB_ALIAS), "application_name": "event-reader"}
    monkeypatch.setattr(reader, "pooled", lambda: params)
    monkeypatch.setattr(reader, "direct", lambda: params)


async def log(run: Run, *seqs: int, notify: bool = True) -> None:
    """Write events of these numbers."""
    events = [Event(seq, "values", "{}") for seq in seqs]
    async with await psycopg.AsyncConnection.connect(**connector_params(DEFAULT_DB_ALIAS)) as database:
        await database.cursor().executemany(
            "INSERT INTO runs_runevent (run_id, seq, event, data) VALUES (%s, %s, %s, %s)",
            [(run.pk, *event) for event in events],
        )
        for payload in payloads(run.pk, events) if notify else ():
            await database.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])


async def finish(run: Run, seq: int) -> None:
    await afinish(run, Run.Status.SUCCESS, IDLE, seq=seq)


async def collected(run: Run, **options: Any) -> list[int]:
    """The numbers of all events until the end."""
    async with asyncio.timeout(PATIENCE):
        return [event.seq async for events in follow(run.pk, **options) for event in events]


def followed(run: Run, **options: Any) -> aclosing[AsyncGenerator[list[Event]]]:
    return aclosing(cast("AsyncGenerator[list[Event]]", follow(run.pk, **options)))


async def next_of(following: AsyncIterator[list[Event]]) -> list[int]:
    async with asyncio.timeout(PATIENCE):
        return [event.seq for event in await anext(following)]


async def reader_backends(columns: str = "pid") -> list[tuple[Any, ...]]:
    query = (
        f"SELECT {columns} FROM pg_stat_activity"
        " WHERE application_name = 'event-reader' AND datname = current_database()"
    )
    async with await psycopg.AsyncConnection.connect(
        **connector_params(DEFAULT_DB_ALIAS), autocommit=True
    ) as database:
        return await (await database.execute(query)).fetchall()


async def test_a_finished_run_is_replayed_whole() -> None:
    run = await aclaimed()
    await log(run, 1, 2, 3)
    await finish(run, 4)
    assert await collected(run) == [1, 2, 3]


async def test_events_are_handed_over_as_they_were_written() -> None:
    run = await aclaimed()
    await RunEvent.objects.acreate(run=run, seq=1, event="values|a:b", data='{"ü": [1]}')
    await finish(run, 2)
    assert [event async for events in follow(run.pk) for event in events] == [
        Event(1, "values|a:b", '{"ü": [1]}')
    ]


@pytest.mark.parametrize("after", range(4))
async def test_a_run_is_replayed_from_any_event(after: int) -> None:
    run = await aclaimed()
    await log(run, 1, 2, 3)
    await finish(run, 4)
    assert await collected(run, after=after) == [1, 2, 3][after:]


async def test_live_events_follow_the_replayed() -> None:
    run = await aclaimed()
    await log(run, 1, 2)
    async with followed(run, after=1) as following:
        assert await next_of(following) == [2]
        await log(run, 3)
        assert await next_of(following) == [3]
        await log(run, 4)
        await finish(run, 5)
        assert [seq async for events in following for seq, *_ in events] == [4]


async def test_a_run_can_be_followed_before_it_starts() -> None:
    run = await asubmit()
    following = asyncio.create_task(collected(run))
    await asyncio.sleep(0)
    await aclaim(run.pk)
    run = await Run.objects.aget(pk=run.pk)
    await log(run, 1)
    await finish(run, 2)
    assert await following == [1]


@pytest.fixture
def only_by_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no reason to read does not read."""
    monkeypatch.setattr(reader, "NEW_SECONDS", LONG)


async def listen() -> None:
    """Be told from now on."""
    other = await aclaimed()
    await finish(other, 1)
    assert await collected(other) == []


@pytest.mark.usefixtures("only_by_news")
async def test_a_new_run_is_not_read_before_it_has_told_of_itself() -> None:
    await listen()
    new_since, run = monotonic(), await aclaimed()
    await log(run, 1, notify=False)
    async with followed(run, new_since=new_since) as following:
        first = asyncio.ensure_future(anext(following))
        assert not (await asyncio.wait([first], timeout=0.2))[0]
        await log(run, 2)
        assert [event.seq for event in await asyncio.wait_for(first, PATIENCE)] == [1, 2]


@pytest.mark.usefixtures("only_by_news")
async def test_what_a_new_run_has_told_before_anybody_listened_is_read_at_once() -> None:
    new_since, run = monotonic(), await aclaimed()
    await log(run, 1)
    async with followed(run, new_since=new_since) as following:
        assert await next_of(following) == [1]


@pytest.mark.usefixtures("only_by_news")
async def test_what_a_new_run_has_told_before_it_was_followed_is_read_at_once() -> None:
    await listen()
    new_since, run = monotonic(), await aclaimed()
    await log(run, 1)
    await listen()  # by now it is heard
    async with followed(run, new_since=new_since) as following:
        assert await next_of(following) == [1]


async def test_what_a_new_run_has_told_though_nobody_heard_it_is_read_a_little_later() -> None:
    await listen()
    new_since, run = monotonic(), await aclaimed()
    await log(run, 1, notify=False)
    async with followed(run, new_since=new_since) as following:
        assert await next_of(following) == [1]
    await finish(run, 2)
    async with asyncio.timeout(PATIENCE):
        await wait_for_end(run.pk, new_since=new_since)


async def test_nothing_is_lost_or_repeated_whatever_the_moment_of_joining() -> None:
    run = await aclaimed()
    followers = []
    for seq in range(1, 31):
        followers.append(asyncio.create_task(collected(run)))
        await log(run, seq)
    await finish(run, 31)
    assert await asyncio.gather(*followers) == [list(range(1, 31))] * 30


async def test_a_long_log_is_replayed_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "EVENTS_PER_READ", 10)
    run = await aclaimed()
    await log(run, *range(1, 96))
    await finish(run, 96)
    assert await collected(run) == list(range(1, 96))
    assert max([len(events) async for events in follow(run.pk)]) == 10


async def test_each_follower_gets_its_runs_events_only() -> None:
    runs = [await aclaimed() for _ in range(3)]
    following = [asyncio.create_task(collected(run)) for run in runs]
    for number, run in enumerate(runs):
        await log(run, *range(1, number + 2))
        await finish(run, 9)
    assert await asyncio.gather(*following) == [[1], [1, 2], [1, 2, 3]]


async def test_a_slow_follower_does_not_hold_up_another() -> None:
    run = await aclaimed()
    await log(run, 1)
    async with followed(run) as slow:
        assert await next_of(slow) == [1]  # and asks for nothing more for now
        await log(run, 2, 3)
        await finish(run, 4)
        assert await collected(run) == [1, 2, 3]
        assert [seq async for events in slow for seq, *_ in events] == [2, 3]


async def test_a_follower_may_leave_at_any_time() -> None:
    run = await aclaimed()
    await log(run, 1)
    async with followed(run) as leaving:
        await next_of(leaving)
    cancelled = asyncio.create_task(collected(run))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    await finish(run, 2)
    assert await collected(run) == [1]


async def test_silence_is_reported_while_it_lasts() -> None:
    run = await aclaimed()
    async with followed(run, silence=0.02) as following:
        assert [await next_of(following) for _ in range(3)] == [[], [], []]
        await log(run, 1)
        async with asyncio.timeout(PATIENCE):
            while not (events := await anext(following)):
                pass
    assert [event.seq for event in events] == [1]


async def test_waiting_for_the_end_returns_with_the_status_committed() -> None:
    run = await aclaimed()
    waiting = asyncio.create_task(wait_for_end(run.pk))
    await log(run, 1, 2)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await finish(run, 3)
    await asyncio.wait_for(waiting, PATIENCE)
    assert (await Run.objects.aget(pk=run.pk)).status == "success"


async def test_waiting_for_a_run_that_has_ended_returns_at_once() -> None:
    run = await aclaimed()
    await finish(run, 1)
    await asyncio.wait_for(wait_for_end(run.pk), PATIENCE)


async def test_many_followers_cost_few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    queries: list[str] = []
    execute = psycopg.AsyncConnection.execute

    async def noted(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        queries.append(str(query))
        return await execute(self, query, *args, **kwargs)

    runs = [await aclaimed() for _ in range(10)]
    followers = [asyncio.create_task(collected(run)) for run in runs * 20]
    await asyncio.sleep(0)
    monkeypatch.setattr(psycopg.AsyncConnection, "execute", noted)
    for run in runs:
        await log(run, 1)
        await finish(run, 2)
    assert await asyncio.gather(*followers) == [[1]] * 200
    assert len([query for query in queries if "FROM runs_runevent" in query]) <= 3 * len(runs)


@pytest.mark.usefixtures("named_connections")
async def test_all_followers_share_two_connections() -> None:
    runs = [await aclaimed() for _ in range(5)]
    followers = [asyncio.create_task(collected(run)) for run in runs * 10]
    for run in runs:
        await finish(run, 1)
    await asyncio.gather(*followers)
    assert len(await reader_backends()) == 2


async def test_a_follower_of_a_deleted_run_ends(settings: Settings) -> None:
    settings.SKEINO_EVENT_POLL_SECONDS = 0.05
    run = await aclaimed()
    await log(run, 1)
    async with followed(run) as following:
        assert await next_of(following) == [1]
        await sync_to_async(Thread.objects.filter(pk=run.thread_id).delete)()
        async with asyncio.timeout(PATIENCE):
            assert [events async for events in following] == []


async def test_a_follower_of_an_unknown_run_ends(settings: Settings) -> None:
    settings.SKEINO_EVENT_POLL_SECONDS = 0.05
    async with asyncio.timeout(PATIENCE):
        assert [events async for events in follow(uuid.uuid4())] == []


async def test_a_follower_of_a_run_whose_log_is_gone_ends(settings: Settings) -> None:
    settings.SKEINO_EVENT_POLL_SECONDS = 0.05
    run = await aclaimed()
    await finish(run, 1)
    await RunEvent.objects.all().adelete()
    assert await collected(run) == []
    await asyncio.wait_for(wait_for_end(run.pk), PATIENCE)


async def test_a_follower_beyond_the_end_ends(settings: Settings) -> None:
    settings.SKEINO_EVENT_POLL_SECONDS = 0.05
    run = await aclaimed()
    await log(run, 1)
    await finish(run, 2)
    assert await collected(run, after=99) == []


async def test_a_lost_notification_only_delays(settings: Settings) -> None:
    settings.SKEINO_EVENT_POLL_SECONDS = 0.05
    run = await aclaimed()
    async with followed(run) as following:
        reading = asyncio.create_task(next_of(following))
        await log(run, 1, notify=False)
        assert await reading == [1]


async def test_what_ended_without_a_word_is_noticed_while_others_have_news(settings: Settings) -> None:
    settings.SKEINO_EVENT_POLL_SECONDS = 0.1
    busy, deleted = await aclaimed(), await aclaimed()
    talking = asyncio.create_task(collected(busy))
    ending = asyncio.create_task(collected(deleted))
    await sync_to_async(Thread.objects.filter(pk=deleted.thread_id).delete)()
    for seq in range(1, 201):
        await log(busy, seq)
        if ending.done():
            break
    await finish(busy, seq + 1)
    await talking
    assert seq < 200


@pytest.mark.usefixtures("named_connections")
async def test_it_survives_the_loss_of_both_its_connections() -> None:
    run = await aclaimed()
    await log(run, 1)
    async with followed(run) as following:
        assert await next_of(following) == [1]
        waiting = asyncio.create_task(next_of(following))
        await asyncio.sleep(0)
        assert len(await reader_backends("pg_terminate_backend(pid)")) == 2
        await log(run, 2)
        assert await waiting == [2]
        await finish(run, 3)
        assert [events async for events in following] == []


@pytest.mark.usefixtures("named_connections")
async def test_what_was_written_while_nobody_listened_is_found() -> None:
    run = await aclaimed()
    async with followed(run) as following:
        waiting = asyncio.create_task(next_of(following))
        while not await reader_backends():
            await asyncio.sleep(0.01)
        await reader_backends("pg_terminate_backend(pid)")
        await log(run, 1, notify=False)
        assert await waiting == [1]


@pytest.mark.usefixtures("named_connections")
async def test_a_closed_reader_leaves_no_connection() -> None:
    run = await aclaimed()
    await finish(run, 1)
    await collected(run)
    await reader.close()
    async with asyncio.timeout(PATIENCE):  # the server notices a little later
        while await reader_backends():
            await asyncio.sleep(0.01)
