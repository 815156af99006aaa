"""The existing project as its own people run it: Django's commands, any ASGI server, our worker."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from tests.live import ROOT, free_port

PREFIX = "/agents/v2"


def environment(database_url: str, **more: str) -> dict[str, str]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.existing_project.settings", "DATABASE_URL": database_url}
    return {**os.environ, **settings, "PYTHONPATH": str(ROOT), **more}


def manage(database_url: str, *args: str) -> str:
    """What the command says; it must succeed."""
    command = [sys.executable, "-m", "django", *args]
    done = subprocess.run(
        command, env=environment(database_url), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def hosting(database_url: str, **more: str) -> Iterator[str]:
    """The URL of the API in the project, served by uvicorn with a worker, as long as the block."""
    port = free_port()
    serve = ["-m", "uvicorn", "tests.existing_project.asgi:application", "--port", str(port)]
    with ExitStack() as stack:
        for command in (serve, ["-m", "django", "worker"]):
            stack.enter_context(_process(command, environment(database_url, **more)))
        url = f"http://127.0.0.1:{port}{PREFIX}"
        _wait_until_it_answers(url)
        yield url


@contextmanager
def _process(command: list[str], env: dict[str, str]) -> Iterator[Any]:
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, *command], env=env, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        except BaseException as exc:
            output.seek(0)
            exc.add_note(output.read())
            raise
        finally:
            process.terminate()
            process.wait(20)


def _wait_until_it_answers(url: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/ok").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"{url}/ok does not answer.")
