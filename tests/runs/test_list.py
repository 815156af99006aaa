from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from tests.runs.api import create_thread, execute, human


@pytest.fixture(scope="module")
def history(live: str) -> tuple[str, list[str]]:
    """A thread, and its runs' ids, oldest first: the second has failed."""
    with httpx.Client(base_url=live, timeout=30) as client:
        thread_id = create_thread(client)
        runs = [
            execute(client, thread_id, graph, input={"text": "0", "question": "?"})
            for graph in ("slow", "fails", "slow")
        ]
    return thread_id, [run["run_id"] for run in runs]


def listed(client: httpx.Client, thread_id: str, **query: Any) -> list[str]:
    response = client.get(f"/threads/{thread_id}/runs", params=query)
    return [run["run_id"] for run in response.raise_for_status().json()]


def test_it_lists_a_threads_runs_newest_first(client: httpx.Client, history: tuple[str, list[str]]) -> None:
    thread_id, (first, second, third) = history
    assert listed(client, thread_id) == [third, second, first]


def test_it_shows_runs_as_they_are_shown_alone(client: httpx.Client, history: tuple[str, list[str]]) -> None:
    thread_id, (first, *_) = history
    alone = client.get(f"/threads/{thread_id}/runs/{first}").json()
    assert client.get(f"/threads/{thread_id}/runs").json()[-1] == alone


def test_it_pages(client: httpx.Client, history: tuple[str, list[str]]) -> None:
    thread_id, (first, second, third) = history
    assert listed(client, thread_id, limit=1) == [third]
    assert listed(client, thread_id, limit=2, offset=1) == [second, first]
    assert listed(client, thread_id, offset=3) == []


def test_it_filters_by_status(client: httpx.Client, history: tuple[str, list[str]]) -> None:
    thread_id, (first, second, third) = history
    assert listed(client, thread_id, status="error") == [second]
    assert listed(client, thread_id, status="success", limit=2) == [third, first]


def test_it_leaves_out_the_runs_of_other_threads(client: httpx.Client, thread_id: str) -> None:
    execute(client, create_thread(client), "echo", input=human("hi"))
    assert listed(client, thread_id) == []


@pytest.mark.parametrize(
    "query", [{"status": "bogus"}, {"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"offset": -1}]
)
def test_a_wrong_query_is_unprocessable(client: httpx.Client, thread_id: str, query: dict[str, Any]) -> None:
    response = client.get(f"/threads/{thread_id}/runs", params=query)
    assert response.status_code == 422
    assert response.json()["detail"].startswith(next(iter(query)))


def test_an_unknown_thread_is_not_found(client: httpx.Client) -> None:
    assert client.get(f"/threads/{uuid.uuid4()}/runs").status_code == 404


def test_a_foreign_thread_is_not_found(client: httpx.Client, foreign_thread_id: str) -> None:
    assert client.get(f"/threads/{foreign_thread_id}/runs").status_code == 404
