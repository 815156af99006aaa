"""A real PgBouncer in front of a test's Postgres, where there is one to start."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.live import free_port

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
needed = pytest.mark.skipif(PROGRAM is None, reason="There is no pgbouncer to test with.")

CONFIG = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
"""
PATIENCE = 10.0  # seconds


@contextmanager
def pooling(database_url: str, *, pool_size: int) -> Iterator[str]:
    """The URL of the same database through a pooler in transaction mode, with so many connections to it."""
    server = conninfo_to_dict(database_url)
    name, user, port = server.pop("dbname"), _user(str(server.get("host", ""))), free_port()
    address = " ".join(f"{key}={value}" for key, value in server.items())
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "pgbouncer.ini")
        config.write_text(CONFIG.format(server=address, port=port, pool_size=pool_size))
        Path(folder).chmod(0o755)
        assert PROGRAM
        with subprocess.Popen([PROGRAM, "-q", str(config)], user=user, stderr=subprocess.DEVNULL) as process:
            try:
                _wait_for(port)
                yield f"postgresql://{server.get('user', 'postgres')}@127.0.0.1:{port}/{name}"
            finally:
                process.kill()


def _user(host: str) -> str | None:
    """It refuses to run as root; who owns the server's socket can open it."""
    if os.geteuid() != 0:
        return None
    return Path(host).owner() if host.startswith("/") else "nobody"


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "PgBouncer did not come up."
            time.sleep(0.02)
