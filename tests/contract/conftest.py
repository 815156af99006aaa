from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import httpx
import pytest

from tests.contract.replaying import Receiver, Replay
from tests.live import serving

GRAPHS = Path(__file__).parent / "graphs"
RECORDED_WITH_MORE_GRAPHS = ("22_", "22b_", "23_")
# Where the official server differs by a setting, these are repeated with it.
OF_THE_PLATFORM = ("09b_", "10_", "11_", "12_", "19_")


@pytest.fixture(scope="session")
def live(fresh_database: Callable[[], str]) -> Iterator[str]:
    """The URL of a server with the graphs of the first recordings, for their exchanges alone."""
    with serving(fresh_database(), langgraph_json=GRAPHS / "langgraph.json") as url:
        yield url


@pytest.fixture(scope="session")
def live_more(fresh_database: Callable[[], str]) -> Iterator[str]:
    """The URL of a server with all graphs, which calls webhooks on this machine."""
    graphs = GRAPHS / "langgraph_more.json"
    with serving(fresh_database(), langgraph_json=graphs, SKEINO_WEBHOOK_ALLOW_PRIVATE="1") as url:
        yield url


@pytest.fixture(scope="session")
def live_platform(fresh_database: Callable[[], str]) -> Iterator[str]:
    """The URL of a server that is set to behave as the official one."""
    graphs = GRAPHS / "langgraph.json"
    settings = {"SKEINO_RUN_CREATE": "background", "SKEINO_BUSY": "platform"}
    with serving(fresh_database(), langgraph_json=graphs, **settings) as url:
        yield url


@pytest.fixture
def client(live_more: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_more, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="session")
def replay(request: pytest.FixtureRequest, receiver: Receiver) -> Callable[[str], Replay]:
    """Repeats a recording, once in a session, and says what was different."""

    @cache
    def repeat(name: str) -> Replay:
        server = "live_more" if name.startswith(RECORDED_WITH_MORE_GRAPHS) else "live"
        server = "live_platform" if name.startswith(OF_THE_PLATFORM) else server
        with httpx.Client(base_url=request.getfixturevalue(server), timeout=30) as client:
            return Replay(name, client, receiver)

    return repeat
