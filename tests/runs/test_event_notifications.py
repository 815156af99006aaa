"""What notifications tell of a log, and what its followers make of it."""

from __future__ import annotations

import uuid

import psycopg
import pytest
from django.db import DEFAULT_DB_ALIAS
from procrastinate.contrib.django.utils import connector_params

from runs.events import END
from runs.events.follower import MAX_HEARD, Event, Follower
from runs.events.notifications import CHANNEL, MAX_TOLD, News, news_of, payloads, run_of

RUN = uuid.UUID("01a1f33c-01f6-7000-8000-000000000000")


def events(*seqs: int, data: str = "{}") -> list[Event]:
    return [Event(seq, "values", data) for seq in seqs]


def follower(*, after: int = 0, only_end: bool = False) -> Follower:
    return Follower(RUN, after, only_end=only_end, new_since=0)


def heard(following: Follower) -> list[int] | None:
    """The numbers that it is handed now; None if it has to wait."""
    if not following.wanted().done():
        return None
    return [event.seq for event in following.take() or ()]


class TestPayloads:
    def told(self, *given: Event) -> list[News]:
        found = payloads(RUN, given)
        assert {run_of(payload) for payload in found} == {RUN}
        return [news_of(payload) for payload in found]

    def test_events_are_told_as_they_are(self) -> None:
        given = [Event(7, "messages|a:b", '[{"content":"ü\\n\\u0000\\"!,"}]'), Event(8, "custom", "null")]
        assert self.told(*given) == [News(given, has_ended=False)]

    def test_the_end_is_told(self) -> None:
        given = [*events(1, 2), Event(3, END, "{}")]
        assert self.told(*given) == [News(given, has_ended=True)]

    def test_many_are_told_in_parts_that_postgres_takes(self) -> None:
        given = [*events(*range(1, 1001), data='"ü"'), Event(1001, END, "{}")]
        parts = self.told(*given)
        assert [event for part in parts for event in part.events] == given
        assert [part.has_ended for part in parts] == [False] * (len(parts) - 1) + [True]
        assert max(len(payload.encode()) for payload in payloads(RUN, given)) < 8000
        assert len(parts) < 5

    @pytest.mark.parametrize("seq", [1, 2, 3])
    def test_a_large_one_is_not_told_but_that_there_is_something(self, seq: int) -> None:
        given = [
            event._replace(data="x" * MAX_TOLD) if event.seq == seq else event for event in events(1, 2, 3)
        ]
        parts = self.told(*given)
        assert [event.seq for part in parts for event in part.events] == [s for s in (1, 2, 3) if s != seq]
        assert [not part.events for part in parts].count(True) == 1

    def test_a_gap_begins_another(self) -> None:
        assert [part.events for part in self.told(*events(1, 2, 4))] == [events(1, 2), events(4)]

    @pytest.mark.parametrize("payload", ["", "no id", f"{RUN}no events", f"{RUN}[1,2]"])
    def test_others_are_refused(self, payload: str) -> None:
        with pytest.raises(ValueError):
            run_of(payload), news_of(payload)

    @pytest.mark.django_db
    async def test_the_longest_is_not_too_long_for_postgres(self) -> None:
        longest = max(payloads(RUN, events(*range(1, 2000), data='"ü"')), key=lambda text: len(text.encode()))
        assert len(longest.encode()) > MAX_TOLD
        async with await psycopg.AsyncConnection.connect(**connector_params(DEFAULT_DB_ALIAS)) as database:
            await database.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{longest}!"])


class TestFollower:
    def tell(self, following: Follower, *seqs: int) -> None:
        following.hear(events(*seqs), has_ended=False)

    async def test_what_comes_next_is_handed_over_unread(self) -> None:
        following = follower()
        assert heard(following) is None
        self.tell(following, 1, 2)
        assert heard(following) == [1, 2]
        self.tell(following, 3)  # while it is busy
        self.tell(following, 4)
        assert heard(following) == [3, 4]
        assert not following.has_news

    async def test_a_gap_is_read(self) -> None:
        following = follower()
        assert heard(following) is None
        self.tell(following, 2)
        assert heard(following) is None
        assert following.has_news
        following.hand(events(1, 2, 3), after=0)
        self.tell(following, 3, 4)
        assert [heard(following), heard(following)] == [[1, 2, 3], [4]]

    async def test_a_gap_while_it_is_busy_is_read(self) -> None:
        following = follower()
        self.tell(following, 1)
        self.tell(following, 3)
        assert heard(following) is None
        assert following.has_news
        following.hand(events(1, 2), after=0)
        assert [heard(following), heard(following)] == [[1, 2], [3]]

    async def test_what_it_has_is_not_handed_over_again(self) -> None:
        following = follower(after=2)
        assert heard(following) is None
        self.tell(following, 1, 2)
        assert heard(following) is None
        self.tell(following, 2, 3)
        assert heard(following) == [3]
        assert not following.has_news

    async def test_what_was_read_before_it_was_told_is_dropped(self) -> None:
        following = follower()
        assert heard(following) is None
        self.tell(following, 1)
        assert heard(following) == [1]
        assert heard(following) is None
        following.hand(events(1), after=0)
        following.hand(None, after=0)
        assert heard(following) is None

    async def test_it_holds_no_more_than_so_many(self) -> None:
        following = follower()
        for seq in range(1, 3 * MAX_HEARD):
            self.tell(following, seq)
        assert len(following._heard) <= MAX_HEARD + 1
        assert heard(following) is None
        assert following.has_news

    async def test_what_is_not_told_is_read(self) -> None:
        following = follower()
        self.tell(following)
        assert following.has_news

    @pytest.mark.parametrize("told", [[], events(1), [Event(1, END, "{}")]])
    async def test_who_waits_for_the_end_is_told_of_nothing_else(self, told: list[Event]) -> None:
        following = follower(only_end=True)
        assert heard(following) is None
        following.hear(told, has_ended=False)
        assert heard(following) is None
        assert not following.has_news
        following.hear(told, has_ended=True)
        assert heard(following) == []

    async def test_who_does_not_wait_yet_reads_the_end(self) -> None:
        following = follower(only_end=True)
        following.hear([], has_ended=True)
        assert following.has_news
