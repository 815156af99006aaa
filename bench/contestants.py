"""Who is measured: the floor, and this server. Others are in ``bench.peers``."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.database import FOLDER, ROOT
from bench.processes import Process, free_port, run, started

LOGS = FOLDER / "logs"
GRAPHS = ROOT / "bench" / "langgraph.json"
TOKEN_MODE = "messages-tuple"
PROCFILE: dict[str, str] = dict(re.findall(r"^(\w+): (.*)$", (ROOT / "Procfile").read_text(), re.M))
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "skeino_site.settings",
    "LANGGRAPH_JSON": str(GRAPHS),
    "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
    "SKEINO_ALLOW_ANONYMOUS": "1",
    "SKEINO_DATA_DIR": str(FOLDER),
    "SKEINO_THROTTLE": "0",
    # Other servers begin all runs that they get at once; the default is below the most that are open here.
    "SKEINO_WORKER_CONCURRENCY": "1000",
}


class CannotTakePart(Exception):
    """The message says why, and what would help."""


@dataclass(frozen=True)
class Endpoint:
    """Where a contestant listens, and its processes by name. The floor listens nowhere and has none."""

    url: str = ""
    processes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Contestant:
    """``sections`` are those in which it takes part, with what then is measured of it.

    ``running`` is given the URL of an empty database. ``prepare`` raises CannotTakePart, ``running`` raises
    DoesNotStart. ``prefix`` tells its figures from others' in the same column.
    """

    name: str  # of its column
    sections: dict[str, str]
    running: Callable[[str], AbstractContextManager[Endpoint]]
    prepare: Callable[[], None] = lambda: None
    prefix: str = ""
    token_mode: str = TOKEN_MODE

    @property
    def title(self) -> str:
        return f"{self.prefix}{self.name}"


@contextmanager
def nothing_started(database_url: str) -> Iterator[Endpoint]:
    """For the floor, which is in the process that measures."""
    yield Endpoint()


@contextmanager
def this_server(database_url: str, *, webs: int = 1, workers: int = 1, **settings: str) -> Iterator[Endpoint]:
    """Started as the Procfile says, on a free port. ``settings`` are for its environment."""
    port = free_port()
    environment = ENVIRONMENT | {
        "DATABASE_URL": database_url,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "SKEINO_WORKERS": str(workers),
        "WEB_CONCURRENCY": str(webs),
        **settings,
    }

    def process(kind: str, number: int = 1) -> Process:
        command = ["sh", "-c", f"exec {PROCFILE[kind]}"]
        return Process(command, environment, LOGS / f"{kind}-{number}.log", cwd=ROOT)

    run(process("release"))
    processes = {f"worker {number}": process("worker", number) for number in range(1, workers + 1)}
    url = f"http://127.0.0.1:{port}"
    with started({"web": process("web")} | processes, f"{url}/ready") as pids:
        yield Endpoint(url, pids)
