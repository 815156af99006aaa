"""The console in a real browser, on a real server. Skipped without Chromium."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.console import chromium
from tests.runs.api import create_thread, execute, human, start
from tests.runs.told import Folder

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = chromium.find()
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=chromium.MISSING),
    # Playwright has an event loop of its own, in its own thread.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

# A desk by day, a telephone by night.
SCREENS: list[Any] = [(1280, "light"), (390, "dark")]
EVIL = "<script>document.title = 'x'</script>"
# How often a page asks what others have done.
IDLE_MS = 5000
FITS = "document.documentElement.scrollWidth <= innerWidth"

LogIn = Callable[[str], "Page"]


@contextmanager
def browsing(server: str, screen: tuple[int, Any]) -> Iterator[LogIn]:
    """Logs users in, each in a browser of their own. A script that fails, or is refused, is an error."""
    from playwright.sync_api import sync_playwright

    width, scheme = screen
    failures: list[str] = []
    pages: list[Page] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def log_in(name: str) -> Page:
            size: Any = {"width": width, "height": 900}
            page = browser.new_page(viewport=size, base_url=server, color_scheme=scheme)
            page.on("pageerror", lambda error: failures.append(str(error)))
            page.on("console", lambda line: failures.append(line.text) if "Policy" in line.text else None)
            page.goto("/admin/login/?next=/admin/")
            page.fill("#id_username", name)
            page.fill("#id_password", name)
            page.click("[type=submit]")
            pages.append(page)
            return page

        yield log_in
        assert failures == []
        assert all(page.evaluate(FITS) for page in pages)
        browser.close()


@pytest.fixture(params=SCREENS, ids=lambda screen: f"{screen[0]}-{screen[1]}")
def log_in(server: str, request: pytest.FixtureRequest) -> Iterator[LogIn]:
    with browsing(server, request.param) as log_in:
        yield log_in


@pytest.fixture
def root(log_in: LogIn) -> Page:
    """A page of a superuser's."""
    return log_in("root")


@pytest.fixture
def thread_id(api: httpx.Client) -> str:
    return create_thread(api)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with Folder(tmp_path) as folder:
        yield folder


def go_to(page: Page, thread_id: str, part: str = "change") -> None:
    page.goto(f"/admin/threads/thread/{thread_id}/{part}/")


def wait_for_status(page: Page, status: str) -> None:
    page.wait_for_selector(f"#console-head .console-{status}")


def wait_until(page: Page, expression: str) -> None:
    """Playwright's own way has the page look for itself, which its policy does not allow."""
    deadline = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def history(page: Page, thread_id: str) -> str:
    go_to(page, thread_id, "history")
    return page.inner_text("#change-history")


def busy_thread(api: httpx.Client, thread_id: str, folder: Folder) -> None:
    """Let a run be active on the thread that has said "begun" and waits for the file ``gate``."""
    start(api, thread_id, "chat_told", input=folder.input, stream_mode=["values", "messages"])
    folder.wait_for_line("wait")


# Live


def test_an_operator_talks_to_a_thread(root: Page, thread_id: str) -> None:
    go_to(root, thread_id)
    root.fill("#id_run-message", EVIL)
    root.select_option("#id_run-assistant", label="echo")
    root.click("#compose button")
    root.wait_for_selector("[data-panel] .console-role-ai")
    wait_for_status(root, "idle")
    assert root.inner_text(".console-role-human .console-said") == EVIL
    root.click("#panel-graph > summary")
    root.wait_for_selector(".console-graph")
    assert root.title() != "x"
    assert "run" in history(root, thread_id)


def test_a_message_is_seen_as_it_is_written(root: Page, api: httpx.Client, thread_id: str) -> None:
    execute(api, thread_id, "echo", input=human("before"))
    config = {"configurable": {"delay": 0.15}}
    start(api, thread_id, "agent", input=human(EVIL), config=config, stream_mode=["values", "messages-tuple"])
    go_to(root, thread_id)
    said = "document.querySelector('#console-live .console-role-ai .console-said')?.textContent.length || 0"
    wait_until(root, f"{said} > 0")
    wait_until(root, f"{said} > {root.evaluate(said)}")
    assert root.query_selector("#console-head .console-busy")
    assert [
        said.inner_text()
        for said in root.query_selector_all("#console-live .console-role-human .console-said")
    ] == [EVIL]
    wait_for_status(root, "idle")
    root.wait_for_selector("#console-live:empty", state="attached")
    assert len(root.query_selector_all("[data-panel] > .console-talk > .console-message")) == 4
    assert root.title() != "x"


def test_what_is_being_filled_in_stays(root: Page, api: httpx.Client, thread_id: str, folder: Folder) -> None:
    busy_thread(api, thread_id, folder)
    go_to(root, thread_id)
    root.wait_for_selector("#console-live >> text=begun")
    root.fill("#id_run-message", "not yet sent")
    folder.open("gate")
    wait_for_status(root, "idle")
    assert root.input_value("#id_run-message") == "not yet sent"
    assert "ended" in root.inner_text("#panel-conversation")
    assert "Success" in root.inner_text("#panel-runs")


def test_an_open_page_notices_what_others_do(
    root: Page, api: httpx.Client, thread_id: str, folder: Folder
) -> None:
    root.clock.install()
    go_to(root, thread_id)
    wait_for_status(root, "idle")
    execute(api, thread_id, "echo", input=human("while nobody looked"))
    root.clock.run_for(IDLE_MS)
    root.wait_for_selector("[data-panel] .console-said >> text=echo: while nobody looked")
    busy_thread(api, thread_id, folder)
    root.clock.run_for(IDLE_MS)
    root.wait_for_selector("#console-live >> text=begun")
    wait_for_status(root, "busy")
    assert "Cancel active runs" in root.inner_text("#console-head")
    folder.open("gate")
    wait_for_status(root, "idle")
    root.wait_for_selector("[data-panel] .console-said >> text=ended")
    root.wait_for_selector("#console-live:empty", state="attached")


def test_a_page_whose_session_is_over_asks_no_more(root: Page, thread_id: str) -> None:
    asked: list[str] = []
    root.on("request", lambda request: asked.append(request.url))
    root.clock.install()
    go_to(root, thread_id)
    wait_for_status(root, "idle")
    with root.expect_response("**/stream/"):
        root.clock.run_for(IDLE_MS)
    root.context.clear_cookies()
    with root.expect_response(lambda response: "/admin/login/" in response.url):
        root.clock.run_for(IDLE_MS)
    asked.clear()
    for _ in range(3):
        root.evaluate("fetch('/ok')")
        root.clock.run_for(IDLE_MS)
    assert [urlsplit(url).path for url in asked] == ["/ok"] * 3


def test_support_operates_without_reading(
    log_in: LogIn, api: httpx.Client, thread_id: str, folder: Folder
) -> None:
    page = log_in("support")
    busy_thread(api, thread_id, folder)
    go_to(page, thread_id)
    wait_for_status(page, "busy")
    page.click("text=Cancel active runs")
    wait_for_status(page, "interrupted")
    assert "begun" not in page.content()
    assert not page.query_selector("#panel-conversation, #panel-state, #panel-checkpoints, #console-live")
    page.click("#panel-runs a")
    page.wait_for_selector("#panel-times table")
    assert "begun" not in page.content()
    assert "cancel active runs" in history(page, thread_id)


# Finding


def test_a_thread_is_found_by_what_was_said_first(root: Page, api: httpx.Client, thread_id: str) -> None:
    execute(api, thread_id, "echo", input=human("a parrot called Fridolin"))
    execute(api, create_thread(api), "echo", input=human("a cat"))
    root.goto("/admin/threads/thread/")
    root.fill("#searchbar", "fridolin")
    root.press("#searchbar", "Enter")
    root.wait_for_selector("#result_list >> text=a parrot called Fridolin")
    assert "a cat" not in root.inner_text("#result_list")
    root.click("#result_list >> text=a parrot called Fridolin")
    root.wait_for_selector("[data-panel] .console-role-ai")


# Acting


def test_an_interrupt_is_answered(root: Page, thread_id: str) -> None:
    go_to(root, thread_id)
    root.select_option("#id_run-assistant", label="interrupting")
    root.click("#compose summary")
    root.fill("#id_run-input", '{"question": "Really?"}')
    root.click("#compose button")
    # The form and the question come by themselves, when the run has stopped.
    root.wait_for_selector("#panel-interrupts .console-tree >> text=Really?")
    root.fill("#id_answer-answer", "certainly")
    root.click("#console-answer button")
    wait_for_status(root, "idle")
    root.wait_for_selector("#panel-interrupts", state="detached")
    root.click("#panel-state > summary")
    root.wait_for_selector("#panel-state >> text=certainly")
    assert "answer" in history(root, thread_id)


def test_a_run_is_cancelled_after_a_question(
    root: Page, api: httpx.Client, thread_id: str, folder: Folder
) -> None:
    busy_thread(api, thread_id, folder)
    go_to(root, thread_id)
    root.click("text=Roll active runs back")
    assert "Are you sure" in root.inner_text("#content")
    root.click("[type=submit].console-destroys")
    wait_for_status(root, "idle")
    root.wait_for_selector("#panel-runs >> text=No runs")
    assert "roll active runs back" in history(root, thread_id)


def test_a_thread_goes_back_to_a_checkpoint_and_on_from_there(
    root: Page, api: httpx.Client, thread_id: str
) -> None:
    for text in ("one", "two"):
        execute(api, thread_id, "echo", input=human(text))
    go_to(root, thread_id)
    root.click("#panel-checkpoints > summary")
    root.click(".console-step >> nth=3 >> summary")
    root.wait_for_selector(".console-step .console-added")
    root.click("text=Go back to here")
    root.wait_for_selector(".messagelist .success")
    root.wait_for_selector("#panel-conversation >> text=echo: one")
    assert "echo: two" not in root.inner_text("#panel-conversation")
    root.click("#panel-checkpoints > summary")
    root.wait_for_selector(".console-lanes-2")
    root.click(".console-step >> nth=0 >> summary")
    root.click("text=Run from here")
    assert root.input_value("#id_run-checkpoint_id")
    assert "go back to checkpoint" in history(root, thread_id)


def test_the_state_is_edited_as_a_node(root: Page, api: httpx.Client, thread_id: str) -> None:
    execute(api, thread_id, "echo", input=human("one"))
    go_to(root, thread_id)
    root.click("text=Edit the state")
    root.fill("#id_state-values", "{")
    root.click(".console-compose button")
    root.wait_for_selector(".errorlist")
    root.fill("#id_state-values", '{"messages": [{"role": "ai", "content": "edited"}]}')
    root.select_option("#id_state-as_node", label="node")
    root.click(".console-compose button")
    root.wait_for_selector("[data-panel] >> text=edited")
    assert "edit the state as node node" in history(root, thread_id)


# The rest


def test_a_run_shows_the_times_of_its_nodes(root: Page, api: httpx.Client, thread_id: str) -> None:
    run = execute(api, thread_id, "sub", input={"text": "x"}, stream_mode=["tasks"], stream_subgraphs=True)
    root.goto(f"/admin/runs/run/{run['run_id']}/change/")
    root.wait_for_selector(".console-waterfall")
    assert len(root.query_selector_all(".console-times tbody tr")) >= 3


def test_panels_are_opened_by_keys(root: Page, api: httpx.Client, thread_id: str) -> None:
    execute(api, thread_id, "echo", input=human("one"))
    go_to(root, thread_id)
    root.focus("#panel-checkpoints > summary")
    root.keyboard.press("Enter")
    root.wait_for_selector(".console-step")
    root.keyboard.press("Tab")
    root.keyboard.press("Enter")
    root.wait_for_selector(".console-step[open] .console-change")


def test_the_index_shows_the_dashboard(root: Page) -> None:
    root.goto("/admin/")
    root.wait_for_selector(".console-chart")
