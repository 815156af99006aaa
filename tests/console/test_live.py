"""The stream that a thread's page follows."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from django.test import Client
from httpx_sse import connect_sse
from pytest_django import Settings

from tests.console.live import logged_in
from tests.console.pages import log_in_staff, make_run, page, submit, url
from tests.runs.api import create_thread, execute, human, names, start
from tests.runs.told import Folder
from threads.models import Thread

MODES = ["values", "updates", "messages", "custom"]


def stream_of(thread_id: str) -> str:
    return f"/admin/threads/thread/{thread_id}/stream/"


def seen_by(server: str, name: str, api: httpx.Client, folder: Folder) -> list[tuple[str, str]]:
    """Names and data of the events of a run that somebody begins to follow while it talks."""
    thread_id = create_thread(api)
    start(api, thread_id, "chat_told", input=folder.input, stream_mode=MODES)
    folder.wait_for_line("wait")
    with (
        logged_in(server, name) as client,
        connect_sse(client, "GET", stream_of(thread_id), headers={"Accept": "*/*"}) as source,
    ):
        events = source.iter_sse()
        seen = [next(events)]
        folder.open("gate")
        seen += events
    assert names(seen)[0] == "metadata"
    return [(event.event, event.data) for event in seen]


def test_a_run_is_followed_from_its_beginning_to_its_end(
    server: str, api: httpx.Client, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        seen = seen_by(server, "root", api, folder)
    assert {name for name, _data in seen} == {"metadata", "values", "messages/complete"}
    assert "ended" in seen[-1][1]


def test_those_who_may_not_read_learn_of_the_end_alone(
    server: str, api: httpx.Client, tmp_path: Path
) -> None:
    with Folder(tmp_path) as folder:
        assert len(seen_by(server, "support", api, folder)) == 1


def test_without_an_active_run_it_tells_whether_the_page_is_behind(server: str, api: httpx.Client) -> None:
    thread_id = create_thread(api)
    with logged_in(server, "root") as client:

        def updated_at() -> str:
            response = client.get(stream_of(thread_id))
            assert (response.status_code, response.content) == (204, b"")
            return response.headers["X-Updated-At"]

        before = updated_at()
        assert f'data-updated-at="{before}"' in client.get(f"/admin/threads/thread/{thread_id}/change/").text
        execute(api, thread_id, "echo", input=human("one"))
        assert updated_at() != before


@pytest.mark.django_db
def test_strangers_have_no_stream(client: Client, thread: Thread) -> None:
    submit(thread)
    address = url(thread, "stream", thread.pk)
    assert client.get(address).status_code == 302
    log_in_staff(client, "runs.view_run")
    assert client.get(address).status_code == 403


@pytest.mark.django_db
def test_too_many_streams_are_refused(admin_client: Client, thread: Thread, settings: Settings) -> None:
    settings.SKEINO_MAX_STREAMS = 0
    submit(thread)
    assert admin_client.get(url(thread, "stream", thread.pk)).status_code == 503


@pytest.mark.django_db
def test_the_page_follows_only_what_is_active(admin_client: Client, thread: Thread) -> None:
    make_run(thread)
    address = url(thread, "change", thread.pk)
    assert "data-busy" not in page(admin_client, address)
    submit(thread)
    assert "data-busy" in page(admin_client, address)
