"""Several web and several worker processes on one Postgres, as in production."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.live import serving
from tests.runs.told import Folder


@pytest.fixture(scope="module")
def server(fresh_database: Callable[[], str]) -> Iterator[str]:
    with serving(fresh_database(), WEB_CONCURRENCY="2", SKEINO_WORKERS="2") as url:
        yield url


async def stream(client: LangGraphClient, thread_id: str, name: str, folder: Path) -> list[str]:
    """Names of all events of a run that writes when it begins and when it ends."""
    run_input = {"folder": str(folder), "name": name}
    parts = client.runs.stream(thread_id, "meeting", input=run_input, stream_mode=["updates", "values"])
    return [part.event async for part in parts]


async def test_forty_streams_on_twenty_threads_all_end_and_none_overlap(server: str, tmp_path: Path) -> None:
    async with get_client(url=server, timeout=60) as client:
        thread_ids = [(await client.threads.create())["thread_id"] for _ in range(20)]
        streams = [
            stream(client, thread_id, f"{thread_id}/{number}", tmp_path)
            for thread_id in thread_ids
            for number in range(2)
        ]
        for thread_id in thread_ids:
            (tmp_path / thread_id).mkdir()  # a run shows that it has begun by a file of its name
        ended = await asyncio.wait_for(asyncio.gather(*streams), 60)
        runs = [run for thread_id in thread_ids for run in await client.runs.list(thread_id)]
    assert ended == [["metadata", "values", "updates", "values"]] * 40
    assert [run["status"] for run in runs] == ["success"] * 40
    assert_no_overlap(Folder(tmp_path).lines)


def assert_no_overlap(lines: list[str]) -> None:
    by_thread = defaultdict(list)
    for line in lines:
        word, name = line.split()
        by_thread[name.split("/")[0]].append((word, name))
    assert len(by_thread) == 20
    for steps in by_thread.values():
        assert [word for word, _ in steps] == ["begin", "end"] * 2
        assert steps[0][1] == steps[1][1]
