"""``python -m tests.console.screenshots``: the pictures in docs/images, of a server with data for them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.console import chromium
from tests.console.standalone import fresh_database
from tests.live import ROOT, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES = ROOT / "docs" / "images"
# Where Django's admin remembers that its list of models is folded away.
FOLD = "localStorage.setItem('django.admin.navSidebarIsOpen', 'false')"
# So that the pages of the documentation load at once.
MAX_BYTES = 150_000
WIDE, NARROW = 1280, 390


class Shot(NamedTuple):
    """``open`` are the panels to unfold, ``wait`` is what must be there by then."""

    name: str
    url: str
    wait: str
    open: tuple[str, ...] = ()
    width: int = WIDE
    height: int = 860
    dark: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=IMAGES, help="the folder of the pictures")
    options = parser.parse_args()
    executable = chromium.find()
    if executable is None:
        sys.exit(f"No screenshots: {chromium.MISSING}.")
    options.to.mkdir(parents=True, exist_ok=True)
    with fresh_database() as database:
        langgraph = ROOT / "langgraph.json"
        with serving(database, langgraph_json=langgraph, SKEINO_ALLOW_ANONYMOUS="1", DEBUG="1") as url:
            shots = prepared(url)
            too_large = [
                path for path in taken(url, executable, shots, options.to) if _size(path) > MAX_BYTES
            ]
    if too_large:
        sys.exit(f"Larger than {MAX_BYTES:,} bytes: {', '.join(path.name for path in too_large)}")


def prepared(url: str) -> list[Shot]:
    """The pages to be shown, once there is something on them."""
    from django.contrib.auth.models import User

    from tests.console import demo, pages
    from threads.models import Thread
    from threads.text_search import ThreadText

    User.objects.create_superuser("root", "root@example.com", "root")
    assistant = demo.make_assistant()
    threads = demo.converse(url, str(assistant.pk))
    demo.restrict(assistant)
    demo.fill_a_day()
    run = demo.tell_a_webhook(threads["report"])
    ThreadText.objects.fill(seconds=30)
    thread, approval = (
        pages.url(Thread, "change", threads["ada"]),
        pages.url(Thread, "change", threads["approval"]),
    )
    return [
        Shot("admin-dashboard", "/admin/", ".console-chart"),
        Shot("admin-threads", pages.url(Thread, "changelist") + "?q=weather", "#result_list", height=600),
        Shot("admin-thread", thread, ".console-role-ai", height=1400),
        Shot("admin-checkpoints", thread, ".console-graph", ("checkpoints", "graph"), height=1000),
        Shot("admin-run", pages.url(run, "change", run.pk), "#panel-deliveries table"),
        Shot("admin-assistant", pages.url(assistant, "change", assistant.pk), ".console-graph", height=1240),
        Shot("admin-phone", approval, ".console-role-ai", width=NARROW, height=844, dark=True),
    ]


def taken(url: str, executable: str, shots: list[Shot], folder: Path) -> list[Path]:
    from playwright.sync_api import sync_playwright

    paths = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        state = _logged_in(browser, url)
        for shot in shots:
            path = folder / f"{shot.name}.png"
            page = browser.new_page(
                base_url=url,
                storage_state=state,
                viewport={"width": shot.width, "height": shot.height},
                color_scheme="dark" if shot.dark else "light",
                reduced_motion="reduce",
            )
            page.add_init_script(FOLD)
            _take(page, shot, path)
            page.close()
            paths.append(path)
            print(f"{path.name}: {_size(path):,} bytes", file=sys.stderr)
        browser.close()
    return paths


def _logged_in(browser: Browser, url: str) -> Any:
    page = browser.new_page(base_url=url)
    page.goto("/admin/login/?next=/admin/")
    page.fill("#id_username", "root")
    page.fill("#id_password", "root")
    page.click("[type=submit]")
    page.wait_for_selector("#user-tools")
    return page.context.storage_state()


def _take(page: Page, shot: Shot, path: Path) -> None:
    page.goto(shot.url)
    for panel in shot.open:
        page.click(f"#panel-{panel} > summary")
    page.wait_for_selector(shot.wait)
    page.wait_for_selector("[aria-busy=true]", state="detached")
    if shot.open:
        page.evaluate("name => document.getElementById(name).scrollIntoView()", f"panel-{shot.open[0]}")
    page.screenshot(path=str(path), animations="disabled")


def _size(path: Path) -> int:
    return path.stat().st_size


if __name__ == "__main__":
    main()
