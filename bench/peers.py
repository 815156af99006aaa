"""Other servers, from PyPI, each in an environment of its own.

They get this server's Python, LangGraph, event loop and HTTP parser, so that it is they who are compared.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from bench.contestants import GRAPHS, LOGS, TOKEN_MODE, CannotTakePart, Contestant, Endpoint
from bench.database import FOLDER, ROOT
from bench.processes import DoesNotStart, Process, free_port, run, started

SAME = ("langgraph", "langgraph-checkpoint-postgres", "uvloop", "httptools")
OPTIONS = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")


@dataclass(frozen=True)
class Peer:
    """``python`` is what it asks for; it works with what this server needs too, as tried."""

    name: str
    requirement: str
    app: str
    health: str
    environment: dict[str, str]
    token_mode: str = TOKEN_MODE

    @property
    def python(self) -> str:
        return str(FOLDER / "venvs" / self.name / "bin" / "python")

    @property
    def requirements(self) -> list[str]:
        return [self.requirement, *(f"{name}=={version(name)}" for name in SAME)]

    def install(self) -> None:
        """Unless it is there. Raises CannotTakePart."""
        venv = FOLDER / "venvs" / self.name
        marker, wanted = venv / "installed", "\n".join([sys.version, *self.requirements])
        if marker.exists() and marker.read_text() == wanted:
            return
        print(f"Installing {self.requirement} into {venv}", file=sys.stderr, flush=True)
        # aegra-api asks for Python 3.12, and works with 3.11.
        pip = [self.python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        commands = [
            [sys.executable, "-m", "venv", "--clear", str(venv)],
            [*pip, "--ignore-requires-python", *self.requirements],
        ]
        try:
            for command in commands:
                run(Process(command, {}, LOGS / f"{self.name}-install.log", cwd=ROOT))
        except (DoesNotStart, OSError) as exc:
            raise CannotTakePart(f"{self.requirement} cannot be installed: {exc}") from exc
        marker.write_text(wanted)

    @contextmanager
    def running(self, database_url: str) -> Iterator[Endpoint]:
        port = free_port()
        command = [self.python, "-m", "uvicorn", self.app, "--port", str(port), *OPTIONS]
        environment = self.environment | {"DATABASE_URL": database_url, "PYTHONPATH": str(ROOT)}
        process = Process(command, environment, LOGS / f"{self.name}.log", cwd=FOLDER)
        url = f"http://127.0.0.1:{port}"
        with started({"web": process}, f"{url}{self.health}") as pids:
            yield Endpoint(url, pids)


PEERS = {
    "skeino": Peer(
        name="skeino",
        requirement="skeino[postgres]==4.0.0",
        app="bench.peer_apps.skeino_app:app",
        health="/info",
        environment={},
        token_mode="messages",  # its only mode with an event per token
    ),
    "aegra": Peer(
        name="aegra",
        requirement="aegra-api==0.11.0",
        app="aegra_api.main:app",
        health="/health",
        environment={"AEGRA_CONFIG": str(GRAPHS), "LOG_LEVEL": "ERROR"},
    ),
}


def contestant(name: str, sections: dict[str, str]) -> Contestant:
    peer = PEERS[name]
    return Contestant(name, sections, peer.running, peer.install, token_mode=peer.token_mode)
