from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest
from django.core.management.base import CommandError

from skeino_site.embedded_postgres import locks
from skeino_site.management.commands.serve import _number
from tests.live import ROOT, TEST_GRAPHS, free_port
from tests.runs.told import Folder

TIMEOUT = 60
MEANT_FOR_SERVE = {"DATABASE_URL", "HOST", "SKEINO_ALLOW_ANONYMOUS", "SKEINO_WORKERS", "WEB_CONCURRENCY"}


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def serve(data_dir: Path, port: int, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``manage.py serve`` from some other folder. The embedded server must be gone in the end."""
    started = []

    def serve(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if name not in MEANT_FOR_SERVE}
        given = {"SKEINO_DATA_DIR": str(data_dir), "PORT": str(port)}
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "serve", *arguments],
            env={**inherited, **given, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield serve
    for process in started:
        with process:
            process.kill()
    assert not embedded_postgres_runs(data_dir)


def embedded_postgres_runs(data_dir: Path) -> bool:
    lock = data_dir / "postgres" / "server.lock"
    return lock.exists() and locks.is_held(lock)


def ready(process: subprocess.Popen[str]) -> list[str]:
    """The lines it writes until it is ready."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("A superuser"):
            return lines
    raise AssertionError("\n".join([*lines, process.communicate()[1]]))


def failure(process: subprocess.Popen[str]) -> str:
    """The one line it fails with. Its output ends only when all its children have ended too."""
    _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1, errors
    assert errors.count("\n") == 1, errors
    return errors.rstrip("\n")


def graphs(folder: Path, source: str) -> str:
    (folder / "graph.py").write_text(source)
    (folder / "langgraph.json").write_text(json.dumps({"graphs": {"broken": "./graph.py:graph"}}))
    return str(folder / "langgraph.json")


def test_a_port_in_use(serve, port: int):
    with socket.create_server(("127.0.0.1", port)):
        line = failure(serve())
    expected = "is in use. Stop what uses it, or set PORT to another one."
    assert line == f"CommandError: Port {port} on 127.0.0.1 {expected}"


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", ""])
def test_a_port_that_is_no_port(text: str):
    with pytest.raises(CommandError, match=f"PORT must be a number from 1 to 65535, not '{text}'"):
        _number("PORT", text, 65535)


def test_no_langgraph_json(serve, tmp_path: Path):
    missing = tmp_path / "nowhere.json"
    line = failure(serve(LANGGRAPH_JSON=str(missing)))
    assert line.startswith("CommandError: ")
    assert f"{missing} does not exist" in line


def test_a_graph_that_cannot_be_imported(serve, tmp_path: Path):
    line = failure(serve(LANGGRAPH_JSON=graphs(tmp_path, "import no_such_module")))
    assert line.startswith('CommandError: Graph "broken"')
    assert "No module named 'no_such_module'" in line


def test_a_database_that_cannot_be_reached(serve):
    line = failure(serve(DATABASE_URL=f"postgresql://somebody:secret@127.0.0.1:{free_port()}/somewhere"))
    assert line.startswith("CommandError: The database in DATABASE_URL cannot be used: ")
    assert "Connection refused" in line
    assert "secret" not in line


def test_a_database_that_is_not_there(serve, fresh_database):
    assert 'database "other" does not exist' in failure(serve(DATABASE_URL=other_name(fresh_database())))


def test_a_database_of_another_kind(serve):
    assert "must be that of a PostgreSQL database" in failure(serve(DATABASE_URL="sqlite:///db.sqlite3"))


def test_a_database_that_cannot_be_migrated(serve, fresh_database):
    url = fresh_database()
    separator = "&" if "?" in url else "?"
    read_only = f"{url}{separator}options=-c%20default_transaction_read_only%3Don"
    assert failure(serve(DATABASE_URL=read_only)).startswith("CommandError: Migrating the database failed: ")


def other_name(url: str) -> str:
    return urlsplit(url)._replace(path="/other").geturl()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(serve, port: int, data_dir: Path, number: signal.Signals):
    process = serve()
    lines = ready(process)
    assert f"  API    http://127.0.0.1:{port}" in lines
    assert any("without logging in" in line for line in lines)
    assert httpx.get(f"http://127.0.0.1:{port}/ok").json() == {"ok": True}
    assert embedded_postgres_runs(data_dir)
    process.send_signal(number)
    output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output, errors) == (0, "Stopping.\n", "")


def test_runs_are_handed_back_before_their_worker_is_killed(serve, port: int, fresh_database, tmp_path: Path):
    url = fresh_database()
    process = serve(DATABASE_URL=url, LANGGRAPH_JSON=str(TEST_GRAPHS))
    ready(process)
    with Folder(tmp_path) as folder, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        thread_id = client.post("/threads", json={}).json()["thread_id"]
        body = {"assistant_id": "two_steps", "input": folder.input}
        client.post(f"/threads/{thread_id}/runs", json=body, headers={"Prefer": "respond-async"})
        folder.wait_for_line("second")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT status, attempt, lost FROM runs_run").fetchall() == [
            ("pending", 1, 0)
        ]


def test_a_signal_while_it_starts_stops_everything(serve):
    process = serve()
    assert process.stdout.readline().startswith("Checking that port")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, errors) == (0, "")


def test_the_end_of_one_process_ends_all_and_other_machines_need_accounts(serve):
    process = serve("--workers", "2", "--host", "0.0.0.0")
    assert not any("without logging in" in line for line in ready(process))
    workers = [child for child in psutil.Process(process.pid).children() if "worker" in child.cmdline()]
    assert len(workers) == 2
    workers[1].kill()
    assert failure(process) == "CommandError: The worker 2 was killed by SIGKILL; the rest is stopped too."


def test_a_killed_supervisor_takes_its_processes_along(serve):
    process = serve()
    ready(process)
    process.kill()
    process.communicate(timeout=TIMEOUT)
    again = serve()
    ready(again)
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=TIMEOUT)
    assert again.returncode == 0
