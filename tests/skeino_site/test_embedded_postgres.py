from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import LiteralString

import dj_database_url
import psycopg
import pytest

from skeino_site import embedded_postgres
from skeino_site.embedded_postgres import EmbeddedPostgresError, locks
from skeino_site.embedded_postgres.server import Address
from tests.live import ROOT

USER_PROCESS = """
import sys
import tempfile
from pathlib import Path
from skeino_site import embedded_postgres
print(embedded_postgres.url(Path(sys.argv[1])), flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def stopped(data_dir: Path) -> Iterator[None]:
    """Most tests share one folder, for a new one takes its time. Each leaves the server stopped."""
    yield
    embedded_postgres.stop(data_dir)
    assert not is_running(data_dir)


@pytest.fixture
def new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def is_running(data_dir: Path) -> bool:
    return locks.is_held(data_dir / "postgres" / "server.lock")


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])


def query(url: str, statement: LiteralString) -> object:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None  # type: ignore[index]


def user_process(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that uses the server until it is told to go."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER_PROCESS, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout
    assert process.stdout.readline().startswith("postgresql://")
    return process


def test_it_starts_and_stops(data_dir: Path):
    assert query(embedded_postgres.url(data_dir), "SELECT 1") == 1
    assert embedded_postgres.stop(data_dir)
    assert not is_running(data_dir)


def test_it_starts_once_for_all_threads(data_dir: Path):
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(embedded_postgres.url, [data_dir] * 32))) == 1


def test_what_was_written_is_there_after_a_restart(data_dir: Path):
    query(embedded_postgres.url(data_dir), "CREATE TABLE IF NOT EXISTS kept ()")
    embedded_postgres.stop(data_dir)
    assert query(embedded_postgres.url(data_dir), "SELECT count(*) FROM kept") == 0


def test_text_is_compared_by_unicode_rules(data_dir: Path):
    assert query(embedded_postgres.url(data_dir), "SELECT lower('ÄÖÜ')") == "äöü"


def test_nobody_else_can_open_its_socket(data_dir: Path):
    address = embedded_postgres.start(data_dir)
    assert stat.S_IMODE(Path(address.socket_dir).stat().st_mode) == 0o700
    assert query(address.url(), "SHOW listen_addresses") == ""


def test_processes_share_it_and_the_last_one_stops_it(data_dir: Path):
    embedded_postgres.start(data_dir)
    pid = server_pid(data_dir)
    with user_process(data_dir) as other:
        assert server_pid(data_dir) == pid
        assert not embedded_postgres.stop(data_dir)
        assert is_running(data_dir)
        other.communicate("\n")
    assert not is_running(data_dir)


def test_a_killed_process_does_not_count_as_a_user(data_dir: Path):
    with user_process(data_dir) as other:
        other.kill()
    embedded_postgres.start(data_dir)
    assert embedded_postgres.stop(data_dir)


def test_it_starts_after_everything_was_killed(data_dir: Path):
    with user_process(data_dir) as other:
        other.kill()
    os.kill(server_pid(data_dir), signal.SIGKILL)
    assert query(embedded_postgres.url(data_dir), "SELECT 1") == 1


def test_it_starts_when_another_process_has_got_the_process_id_of_the_killed_server(data_dir: Path):
    with user_process(data_dir) as other:
        other.kill()
    os.kill(server_pid(data_dir), signal.SIGKILL)
    pid_file = data_dir / "postgres" / "data" / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(pid_file.read_text().split()[0], str(os.getpid()), 1))
    assert query(embedded_postgres.url(data_dir), "SELECT 1") == 1


@pytest.mark.parametrize("name", ["with spaces, commas & 'quotes'", "long/" * 30, "ünïcode", "50%"])
def test_it_starts_in_a_folder_with_a_difficult_name(new_folder: Path, name: str):
    try:
        assert query(embedded_postgres.url(new_folder / name), "SELECT 1") == 1
    finally:
        assert embedded_postgres.stop(new_folder / name)


def test_a_creation_that_was_interrupted_is_repeated(new_folder: Path):
    (new_folder / "postgres" / "data.draft" / "base").mkdir(parents=True)
    try:
        assert query(embedded_postgres.url(new_folder), "SELECT 1") == 1
    finally:
        assert embedded_postgres.stop(new_folder)


def test_why_it_does_not_start_is_said_in_one_line_that_names_the_log(data_dir: Path):
    embedded_postgres.start(data_dir)
    embedded_postgres.stop(data_dir)
    settings = data_dir / "postgres" / "data" / "postgresql.auto.conf"
    settings.write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError) as raised:
        embedded_postgres.start(data_dir)
    settings.write_text("")
    (message,) = str(raised.value).splitlines()
    assert message.startswith("The embedded PostgreSQL did not start: FATAL: configuration file")
    assert message.endswith(f"(log: {data_dir / 'postgres' / 'log'})")


def test_data_of_another_version_are_left_alone(new_folder: Path):
    (new_folder / "postgres" / "data").mkdir(parents=True)
    (new_folder / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 17, and this is 18"):
        embedded_postgres.start(new_folder)
    embedded_postgres.stop(new_folder)


def test_django_reads_the_url_as_it_is_meant():
    found = dj_database_url.parse(Address("/Some/Folder", 5432).url())
    assert found["OPTIONS"] == {"host": "/Some/Folder", "port": 5432}
    assert (found["USER"], found["NAME"], found["HOST"]) == ("postgres", "postgres", "")


def manage(data_dir: Path, *arguments: str) -> str:
    environment = {**os.environ, "SKEINO_DATA_DIR": str(data_dir), "DATABASE_URL": ""}
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stderr == ""
    return found.stdout


def test_django_connects_to_it_and_stops_it_at_its_exit(data_dir: Path):
    question = "from django.db import connection as c; x = c.cursor(); x.execute('SELECT 6 * 7'); print(*x)"
    assert "(42,)" in manage(data_dir, "shell", "--command", question)
    assert not is_running(data_dir)


def test_django_does_not_start_it_without_need(new_folder: Path):
    manage(new_folder, "check")
    assert not (new_folder / "postgres").exists()
