"""The console in a real browser, on a real server. Skipped without Chromium."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.console import chromium
from tests.live import ROOT, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = chromium.find()
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=chromium.MISSING),
    # Playwright has an event loop of its own, in its own thread.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def server(fresh_database: Callable[[], str]) -> Iterator[str]:
    database = fresh_database()
    with serving(database, SKEINO_ALLOW_ANONYMOUS="1", DEBUG="1") as url:
        environment = {**os.environ, "DATABASE_URL": database, "DJANGO_SUPERUSER_PASSWORD": "root"}
        options = ["--noinput", "--username", "root", "--email", "root@example.com"]
        command = [sys.executable, str(ROOT / "manage.py"), "createsuperuser", *options]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        yield url


@pytest.fixture(params=[1280, 390])
def browser_page(server: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of somebody who is logged in. A script that fails fails the test."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": request.param, "height": 900}, base_url=server)
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto("/admin/login/?next=/admin/")
        page.fill("#id_username", "root")
        page.fill("#id_password", "root")
        page.click("[type=submit]")
        yield page
        assert failures == []
        browser.close()


def test_an_operator_talks_to_a_thread(server: str, browser_page: Page) -> None:
    page, evil = browser_page, "<script>document.title = 'x'</script>"
    thread_id = httpx.post(f"{server}/threads", json={}).json()["thread_id"]
    page.goto(f"/admin/threads/thread/{thread_id}/change/")
    page.fill("#id_run-message", evil)
    page.select_option("#id_run-assistant", label="echo")
    page.click("#compose button")
    page.wait_for_selector(".console-role-ai")  # the conversation is live while the run is active
    assert page.inner_text(".console-role-human .console-said") == evil
    page.click("#panel-checkpoints > summary")
    page.click("#panel-checkpoints a[data-panel-link] >> nth=0")
    page.wait_for_selector(".console-added")
    page.click("#panel-graph > summary")
    page.wait_for_selector(".console-graph")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.title() != "x"


def test_the_index_shows_the_dashboard(browser_page: Page) -> None:
    browser_page.goto("/admin/")
    browser_page.wait_for_selector(".console-chart")
    assert browser_page.evaluate("document.documentElement.scrollWidth <= innerWidth")
