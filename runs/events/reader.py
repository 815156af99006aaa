"""The reading end of the log: one reader per process, for all the streams it serves."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator
from itertools import chain
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import sql

from runs import metrics
from runs.conf import conf
from runs.connections import direct, pooled
from runs.events import END
from runs.events.follower import NEVER, Event, Follower
from runs.events.notifications import CHANNEL, news_of, run_of
from runs.events.statements import SELECT_EVENTS

logger = logging.getLogger(__name__)

# What one follower is handed at a time, and so what a slow client can make this process hold: so many
# events, and no more than one beyond so many bytes of them.
EVENTS_PER_READ = 500
SIZE_PER_READ = 4 * 1024 * 1024

# A new run has written nothing yet, so what follows it does not read before it is told, or this has passed.
NEW_SECONDS = 1.0
# Of so many runs it is remembered that they have told when nobody followed them here yet.
MAX_MISSED = 2_000

# Between attempts to reach the database again, in seconds.
SHORTEST_DELAY, LONGEST_DELAY = 0.1, 5.0


class StreamsClosed(Exception):
    """This process stops before the run has ended."""


def _is_cut_off(events: list[Event]) -> bool:
    """Whether a limit ended the read, so that there may be more."""
    size = 4 * sum(len(event.data) for event in events)  # a character has up to four bytes
    return len(events) == EVENTS_PER_READ or size >= SIZE_PER_READ


async def follow(
    run_id: uuid.UUID, *, after: int = 0, silence: float | None = None, new_since: float = NEVER
) -> AsyncIterator[list[Event]]:
    """The run's events after number ``after``, in order and as they come, until the run has ended.

    Yields them in lists of what is there, and an empty list after each ``silence`` seconds without any. Of a
    run that was not submitted yet at ``new_since`` (``time.monotonic``) only that is read which it told
    before this process listened.
    A run that is gone, or finished without a log, ends at once. Raises StreamsClosed when the process stops
    before the run's end.
    """
    follower = Follower(run_id, after, only_end=False, new_since=new_since)
    async for events in _Reader.of_this_loop().follow(follower, silence):
        yield events


async def follow_end(
    run_id: uuid.UUID, *, silence: float | None = None, new_since: float = NEVER
) -> AsyncIterator[None]:
    """Yields after each ``silence`` seconds until the run has ended, its status committed.

    Raises StreamsClosed when the process stops before that.
    """
    follower = Follower(run_id, 0, only_end=True, new_since=new_since)
    async for events in _Reader.of_this_loop().follow(follower, silence):
        if not events:
            yield


async def wait_for_end(run_id: uuid.UUID, *, seconds: float | None = None, new_since: float = NEVER) -> None:
    """Return when the run has ended, its status committed. Raises TimeoutError, and StreamsClosed."""
    async with asyncio.timeout(seconds):
        async for _ in follow_end(run_id, new_since=new_since):
            pass


async def fetch(query: str, parameters: list[Any]) -> list[Any]:
    """Rows by the connection that this event loop reads events on."""
    return await _Reader.of_this_loop().fetch(query, parameters)


def open_streams() -> int:
    """How many followers this process has, of all its event loops."""
    return sum(reader.count for reader in list(_readers.values()))


def end_streams() -> None:
    """End all that follow, and who begins to from now on: the process stops, and others will serve them."""
    for reader in list(_readers.values()):
        reader.end_streams()


def is_closing() -> bool:
    """Whether the streams of this event loop have been ended."""
    return _Reader.of_this_loop().is_closing


async def close() -> None:
    """Close the reader of the running event loop, if it has one."""
    reader = _readers.pop(asyncio.get_running_loop(), None)
    if reader is not None:
        await reader.close()


class _Reader:
    """One connection that listens and one that reads, for any number of followers.

    Notifications bring new events. What they do not bring is read: the followers that want it are served by
    one query. A poll backs this up, and notices runs that ended without a word: deleted, or their log pruned.
    """

    @classmethod
    def of_this_loop(cls) -> _Reader:
        loop = asyncio.get_running_loop()
        if loop not in _readers:
            _readers[loop] = cls()
        return _readers[loop]

    def __init__(self) -> None:
        self._connect_kwargs = pooled()
        self._followers: dict[uuid.UUID, set[Follower]] = defaultdict(set)
        self._missed: OrderedDict[uuid.UUID, None] = OrderedDict()
        self._wake, self._listening = asyncio.Event(), asyncio.Event()
        self._listening_since = monotonic()
        self._connection: psycopg.AsyncConnection | None = None
        self._connecting = asyncio.Lock()
        self.count = 0
        self.is_closing = False
        self._tasks = [
            asyncio.create_task(self._restarted(self._listen), name="event listener"),
            asyncio.create_task(self._restarted(self._serve), name="event reader"),
        ]

    async def follow(self, follower: Follower, silence: float | None) -> AsyncIterator[list[Event]]:
        # Subscribed before the first read, so that nothing falls between the two.
        await self._listening.wait()
        self._followers[follower.run_id].add(follower)
        follower.has_news |= follower.run_id in self._missed or follower.new_since < self._listening_since
        reminder = asyncio.get_running_loop().call_later(NEW_SECONDS, self._remind, follower)
        self.count += 1
        try:
            while (events := await self._next(follower, silence)) is not None:
                ended = bool(events) and events[-1].event == END
                if ended:
                    events.pop()
                if events or not ended:
                    yield events
                if ended:
                    return
            if self.is_closing:
                raise StreamsClosed
        finally:
            reminder.cancel()
            self.count -= 1
            self._followers[follower.run_id].discard(follower)
            if not self._followers[follower.run_id]:
                del self._followers[follower.run_id]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._disconnect()

    def end_streams(self) -> None:
        self.is_closing = True
        self._listening.set()  # for those who wait to be subscribed while the database is away
        for follower in self._wanting():
            follower.end()

    async def fetch(self, query: str, parameters: list[Any]) -> list[Any]:
        connection = await self._connected()
        return await (await connection.execute(query, parameters)).fetchall()

    async def _next(self, follower: Follower, silence: float | None) -> list[Event] | None:
        """The follower's next events: none after silence, None when the run is over without an end."""
        if self.is_closing:
            return None
        wanted = follower.wanted()
        if follower.has_news:
            self._wake.set()
        done, _ = await asyncio.wait([wanted], timeout=silence)
        if not done:
            return []
        events = follower.take()
        metrics.EVENTS_READ.inc(len(events or ()))
        return events

    async def _restarted(self, work: Any) -> None:
        """Keep one of the two tasks going through lost connections."""
        delay = SHORTEST_DELAY
        while True:
            begun = asyncio.get_running_loop().time()
            try:
                await work()
            except (psycopg.Error, OSError, ValueError) as exc:
                if asyncio.get_running_loop().time() - begun > LONGEST_DELAY:
                    delay = SHORTEST_DELAY  # it had worked meanwhile
                logger.warning("The event log cannot be read, trying again in %.1f s: %s", delay, exc)
                self._all_have_news()
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(**direct(), autocommit=True) as connection:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
            self._listening_since = monotonic()
            self._listening.set()
            self._all_have_news()
            async for notification in connection.notifies():
                self._tell(run_of(notification.payload), notification.payload)

    def _tell(self, run_id: uuid.UUID, payload: str) -> None:
        if run_id not in self._followers:
            self._missed[run_id] = None
            if len(self._missed) > MAX_MISSED:
                self._missed.popitem(last=False)
            return
        events, has_ended = news_of(payload)
        for follower in self._followers[run_id]:
            follower.hear(events, has_ended=has_ended)
            if follower.has_news:
                self._wake.set()

    def _remind(self, follower: Follower) -> None:
        """Let it read if it has not: it may have been told while this did not listen."""
        if not follower.after and not follower.has_news:
            follower.has_news = True
            self._wake.set()

    def _all_have_news(self) -> None:
        for follower in chain.from_iterable(self._followers.values()):
            follower.has_news = True
        self._wake.set()

    async def _serve(self) -> None:
        """Read on news, and every poll interval for all."""
        loop = asyncio.get_running_loop()
        next_poll = loop.time()
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), next_poll - loop.time())
            except TimeoutError:
                next_poll = loop.time() + conf.SKEINO_EVENT_POLL_SECONDS
                self._all_have_news()
            self._wake.clear()
            await self._read([f for f in self._wanting() if f.has_news])

    def _wanting(self) -> list[Follower]:
        return [follower for follower in chain.from_iterable(self._followers.values()) if follower.is_waiting]

    async def _read(self, followers: list[Follower]) -> None:
        if not followers:
            return
        asked = [(follower, follower.after) for follower in followers]
        for follower in followers:
            follower.has_news = False
        connection = await self._connected()
        columns = zip(*((f.run_id, after, f.only_end) for f, after in asked), strict=True)
        parameters = [*map(list, columns), EVENTS_PER_READ, SIZE_PER_READ]
        rows = await connection.execute(SELECT_EVENTS, parameters)
        found: dict[int, list[Event] | None] = {}
        for position, seq, event, data, is_active in await rows.fetchall():
            if seq is not None:
                found.setdefault(position - 1, []).append(Event(seq, event, data))  # type: ignore[union-attr]
            elif not is_active:
                found[position - 1] = None
        for position, events in found.items():
            follower, after = asked[position]
            if events and _is_cut_off(events):
                follower.has_news = True
            follower.hand(events, after=after)

    async def _connected(self) -> psycopg.AsyncConnection:
        async with self._connecting:  # of many who find none, one makes it
            if self._connection is None or self._connection.closed:
                await self._disconnect()
                self._connection = await psycopg.AsyncConnection.connect(
                    **self._connect_kwargs, autocommit=True
                )
            return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()


_readers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Reader] = WeakKeyDictionary()
