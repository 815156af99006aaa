"""How many requests are answered in a time, by who asks and for what."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from pytest_django import Settings

from tests.live import TEST_GRAPHS

if TYPE_CHECKING:
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

RUN = {"assistant_id": "echo", "input": {"messages": []}, "after_seconds": 3600}


@pytest.fixture(autouse=True)
def rates(settings: Settings) -> Iterator[None]:
    settings.SKEINO_LANGGRAPH_JSON = TEST_GRAPHS
    settings.SKEINO_ALLOW_ANONYMOUS = True
    settings.SKEINO_THROTTLE_RATES = {
        f"{asker}_{scope}": f"{count}/day"
        for asker in ("user", "anonymous")
        for count, scope in enumerate(("run", "write", "read"), start=2)
    }
    cache.clear()
    yield
    cache.clear()


def client(user: User | None = None, **extra: Any) -> APIClient:
    from rest_framework.test import APIClient

    api = APIClient(**extra)
    if user is not None:
        api.force_login(user)
    return api


def answered(api: APIClient, method: str, path: str, body: Any = None, **extra: Any) -> int:
    """How many such requests are answered before one is refused."""
    for count in range(20):
        response = getattr(api, method)(path, body, **extra)
        if response.status_code == 429:
            assert 0 < int(response.headers["Retry-After"]) <= 86400
            assert response.json()["detail"].startswith("Request was throttled.")
            return count
        assert response.status_code == 200
    return 20


def user() -> User:
    return User.objects.create(username=uuid.uuid4().hex)


@pytest.mark.parametrize("known", [True, False])
def test_reads_writes_and_runs_are_counted_apart(known: bool) -> None:
    api = client(user() if known else None)
    assert answered(api, "post", "/runs", RUN) == 2
    assert answered(api, "post", "/threads", {}) == 3
    assert answered(api, "post", "/threads/search", {}) == 4
    assert answered(api, "get", "/assistants/echo") == 0


def test_users_are_counted_apart_and_by_all_their_credentials() -> None:
    from threads.api_keys import ApiKey

    alice, bob = user(), user()
    assert answered(client(alice), "post", "/threads", {}) == 3
    assert answered(client(bob), "post", "/threads", {}) == 3
    key = ApiKey.objects.issue(alice, name="laptop")[1]
    assert answered(client(headers={"X-Api-Key": key}), "post", "/threads", {}) == 0
    assert answered(client(), "post", "/threads", {}) == 3


def test_who_has_no_account_is_counted_by_address_and_cannot_make_it_up() -> None:
    assert answered(client(REMOTE_ADDR="192.0.2.1"), "post", "/threads", {}) == 3
    assert answered(client(REMOTE_ADDR="192.0.2.2"), "post", "/threads", {}) == 3
    forged = client(REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-For": "203.0.113.7"})
    assert answered(forged, "post", "/threads", {}) == 0


def test_what_is_refused_makes_nothing() -> None:
    from threads.models import Thread

    answered(client(), "post", "/threads", {})
    assert Thread.objects.count() == 3


@pytest.mark.parametrize("rate", [None, "missing"])
def test_what_has_no_rate_is_not_limited(settings: Settings, rate: str | None) -> None:
    rates = dict(settings.SKEINO_THROTTLE_RATES)
    settings.SKEINO_THROTTLE_RATES = rates
    if rate is None:
        rates["anonymous_write"] = None
    else:
        del rates["anonymous_write"]
    assert answered(client(), "post", "/threads", {}) == 20


def test_what_the_server_says_of_itself_is_not_limited() -> None:
    assert answered(client(), "get", "/ok") == 20
    assert answered(client(), "get", "/info") == 20


def test_of_many_at_once_no_more_are_answered() -> None:
    from skeino_site.throttling import RateThrottle

    counts: list[int] = []
    start = threading.Barrier(8)

    def count() -> None:
        start.wait()
        counts.extend(RateThrottle()._count("window", 60) for _ in range(50))

    racers = [threading.Thread(target=count) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(counts) == list(range(1, 401))


def test_the_defaults_limit_everybody(settings: Settings) -> None:
    from assistants.conf import conf
    from skeino_site.throttling import RateThrottle

    del settings.SKEINO_THROTTLE_RATES
    rates = {name: RateThrottle().parse_rate(rate) for name, rate in conf.SKEINO_THROTTLE_RATES.items()}
    assert rates.keys() == {f"{a}_{s}" for a in ("user", "anonymous") for s in ("read", "write", "run")}
    assert all(limit and seconds for limit, seconds in rates.values())
