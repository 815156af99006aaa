"""One embedded PostgreSQL: started by the first process that needs it, stopped by the last that used it."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from django.db import OperationalError

from skeino_site.embedded_postgres import locks
from skeino_site.embedded_postgres.programs import VERSION, ProgramError, Programs

PORT = 5432  # only the name of the socket: nothing listens on TCP
USER = "postgres"
MAX_CONNECTIONS = 300  # for several web and worker processes; one that is not used costs some kilobytes
PATIENCE = 60.0  # seconds; a server that crashed replays its log first
LONGEST_SOCKET = 103  # bytes; the smallest limit among the systems that have a wheel (macOS)


class EmbeddedPostgresError(OperationalError):
    """The embedded PostgreSQL cannot be started or stopped. The message is one line."""


@dataclass(frozen=True)
class Address:
    socket_dir: str
    port: int = PORT
    user: str = USER

    def url(self, database: str = "postgres") -> str:
        """The socket is in the query, for a path in the place of the host would lose its capitals."""
        return f"postgresql://{self.user}@/{database}?host={quote(self.socket_dir)}&port={self.port}"


class Server:
    """The server in a folder, seen from one process.

    Three locks: ``start.lock`` makes starting and stopping exclusive; ``users.lock`` is shared by all
    processes that use the server; ``server.lock`` is inherited by the server, so it is held as long as
    one of the server's processes lives. Unlike process ids, locks cannot outlive what they stand for.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = folder / "data"
        self.log = folder / "log"
        self._pid_file = self.cluster / "postmaster.pid"
        self._programs = Programs(self.cluster, self.log)
        self._use: BinaryIO | None = None

    def start(self) -> Address:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locks.exclusive(self.folder / "start.lock"):
                self._use = self._use or locks.share(self.folder / "users.lock")
                self._wait_for_one_that_is_starting_or_stopping()
                return self._running() or self._launch()
        except (OSError, ProgramError) as exc:
            raise self._error("start", exc) from exc

    def stop(self) -> bool:
        """Stop using the server. True if it is stopped with that, because no other process uses it."""
        if self._use is None:
            return False
        try:
            with locks.exclusive(self.folder / "start.lock"):
                self._use.close()
                self._use = None
                if locks.is_held(self.folder / "users.lock"):
                    return False
                self._wait_for_one_that_is_starting_or_stopping()
                self._shut_down()
                return True
        except (OSError, ProgramError) as exc:
            raise self._error("stop", exc) from exc

    def _error(self, verb: str, exc: Exception) -> EmbeddedPostgresError:
        reason = " ".join(str(exc).split())
        return EmbeddedPostgresError(f"The embedded PostgreSQL did not {verb}: {reason} (log: {self.log})")

    def _wait_for_one_that_is_starting_or_stopping(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._is_alive() and not self._running():
            if time.monotonic() > deadline:
                raise TimeoutError(f"it has been starting or stopping for {PATIENCE:.0f} s")
            time.sleep(0.05)

    def _is_alive(self) -> bool:
        return locks.is_held(self.folder / "server.lock")

    def _running(self) -> Address | None:
        """The address in postmaster.pid, if a server answers there: the file outlives a crash."""
        try:
            lines = self._pid_file.read_text().splitlines()
            port, socket_dir, status = int(lines[3]), lines[4], lines[7].strip()
        except (OSError, IndexError, ValueError):
            return None
        ready = status == "ready" and _answers(f"{socket_dir}/.s.PGSQL.{port}")
        return Address(socket_dir, port) if ready else None

    def _shut_down(self) -> None:
        address = self._running()
        if address is None or not self._is_alive():  # none, or one that somebody has started by hand
            return
        # What "pg_ctl stop" does, which as the server's user may not reach the folder any more.
        os.kill(int(self._pid_file.read_text().split()[0]), signal.SIGINT)
        deadline = time.monotonic() + PATIENCE
        while self._is_alive():
            if time.monotonic() > deadline:
                raise TimeoutError(f"it has been stopping for {PATIENCE:.0f} s")
            time.sleep(0.02)
        if address.socket_dir != str(self.cluster):
            shutil.rmtree(address.socket_dir, ignore_errors=True)

    def _launch(self) -> Address:
        if self.log.exists():
            self.log.replace(self.log.with_name("log.previous"))
        self._programs.ensure_access()
        self._ensure_cluster()
        self._programs.hand_over(self.cluster)
        socket_dir = self._socket_dir()
        # No process holds server.lock, so these are from a crash; the process id in them may be anybody's.
        for path in (self._pid_file, socket_dir / f".s.PGSQL.{PORT}.lock"):
            path.unlink(missing_ok=True)
        options = f"-c log_checkpoints=off -c max_connections={MAX_CONNECTIONS}"
        arguments = f"-p {PORT} -h '' -k {shlex.quote(str(socket_dir))} {options}"
        with locks.exclusive(self.folder / "server.lock") as inherited:
            self._programs.run(
                *("pg_ctl", "start", "-w", "-t", f"{PATIENCE:.0f}", "-D", str(self.cluster), "-o", arguments),
                pass_fds=[inherited.fileno()],
            )
        return Address(str(socket_dir))

    def _ensure_cluster(self) -> None:
        version_file = self.cluster / "PG_VERSION"
        if not version_file.exists():
            self._create_cluster()
        elif (found := version_file.read_text().strip()) != VERSION:
            raise OSError(f"{self.cluster} was made by PostgreSQL {found}, and this is {VERSION}")

    def _create_cluster(self) -> None:
        """Make it elsewhere and move it into place, so that one that is there is complete."""
        draft = self.folder / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self._programs.hand_over(draft)
        # Nobody but the user who runs the server can open its socket, so trust is safe. The sort order
        # is PostgreSQL's own, so that an upgrade of the system's C library cannot break an index.
        self._programs.run(
            *("initdb", "-D", str(draft), "-U", USER, "--auth-local=trust", "--auth-host=reject"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        draft.rename(self.cluster)

    def _socket_dir(self) -> Path:
        """The cluster, or a private folder beside all others if its path is too long or odd for a URL."""
        socket_path = self.cluster / f".s.PGSQL.{PORT}"
        if re.fullmatch(r"[\w./-]+", str(socket_path), re.ASCII) and len(str(socket_path)) <= LONGEST_SOCKET:
            return self.cluster
        digest = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()).resolve() / f"skeino-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid == os.geteuid():
            self._programs.hand_over(folder)
        found = folder.lstat()
        private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
        if not private or found.st_uid != self.cluster.stat().st_uid:
            raise PermissionError(f"{folder} is not a private folder of the user who runs the server")
        return folder


def _answers(socket_path: str) -> bool:
    """Ask for SSL, which every PostgreSQL answers at once, even one that is out of connections."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(socket_path)
            client.sendall(struct.pack("!II", 8, 80877103))
            return client.recv(1) != b""
    except OSError:
        return False
