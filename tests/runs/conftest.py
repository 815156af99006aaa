from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from pytest_django import Settings

from runs.events import reader
from tests.live import TEST_GRAPHS, serving
from tests.runs import api


@pytest.fixture(scope="session")
def live_database(fresh_database: Callable[[], str]) -> str:
    """The URL of the live server's database."""
    return fresh_database()


@pytest.fixture(scope="session")
def live(live_database: str) -> Iterator[str]:
    """The URL of a server with the test graphs. All tests share it."""
    with serving(live_database, DJANGO_SETTINGS_MODULE="tests.runs.live_settings") as url:
        yield url


@pytest.fixture
def client(live: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def platform_client(fresh_database: Callable[[], str]) -> Iterator[httpx.Client]:
    """A client of a server with the settings of ``platform_settings``."""
    settings = "tests.runs.platform_settings"
    with (
        serving(fresh_database(), DJANGO_SETTINGS_MODULE=settings) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.fixture
def thread_id(client: httpx.Client) -> str:
    return api.create_thread(client)


@pytest.fixture
def foreign_thread_id(live_database: str, thread_id: str) -> str:
    """The id of a thread that belongs to a user, where requests have none."""
    with psycopg.connect(live_database) as connection:
        connection.execute(
            "WITH owner AS (INSERT INTO auth_user (username, password, first_name, last_name, email,"
            " is_superuser, is_staff, is_active, date_joined)"
            " VALUES (%s, '', '', '', '', false, false, true, now()) RETURNING id)"
            " UPDATE threads_thread SET owner_id = owner.id FROM owner WHERE threads_thread.id = %s",
            [uuid.uuid4().hex, thread_id],
        )
    return thread_id


@pytest.fixture
def test_graphs(settings: Settings) -> None:
    """The test graphs in this process."""
    settings.SKEINO_LANGGRAPH_JSON = TEST_GRAPHS


@pytest.fixture
def engine_db(transactional_db: None, test_graphs: None) -> Iterator[None]:
    """The test database, committed to and emptied afterwards, with the test graphs."""
    yield
    with connection.cursor() as cursor:  # what Django does not know as its own
        cursor.execute(
            "TRUNCATE procrastinate_jobs, procrastinate_workers,"
            " checkpoints, checkpoint_blobs, checkpoint_writes CASCADE"
        )


@pytest.fixture
async def engine(engine_db: None) -> AsyncIterator[None]:
    """For tests that run workers and readers in this process; afterwards, their connections are closed."""
    yield
    await reader.close()
    await sync_to_async(connections.close_all)()
