"""``manage.py serve``: everything that a running server needs, in one command that Ctrl-C ends."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from runs.conf import conf
from skeino_site import embedded_postgres, startup
from skeino_site.endpoint import Endpoint
from skeino_site.processes import Child, StopRequested, StopSignals, Supervisor

START_PATIENCE = 60.0  # seconds
STOP_PATIENCE = 8.0  # below the ten that container managers commonly grant
# So that a worker has handed back what does not end, before it is killed.
WORKER_SHUTDOWN = {"SKEINO_WORKER_SHUTDOWN_SECONDS": "4"}


class Command(BaseCommand):
    help = "Check, migrate and run the server: web processes, workers and, without DATABASE_URL, PostgreSQL."
    requires_system_checks: list[str] = []  # they are one of the steps

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        environ = os.environ
        parser.add_argument("--host", default=environ.get("HOST") or "127.0.0.1")
        parser.add_argument("--port", default=environ.get("PORT") or "8000")
        parser.add_argument("--workers", default=environ.get("SKEINO_WORKERS") or "1", help="execute runs")
        parser.add_argument("--web", default=environ.get("WEB_CONCURRENCY") or "1", help="answer requests")

    def handle(self, *args: Any, **options: Any) -> None:
        self.endpoint = Endpoint(options["host"], _number("PORT", str(options["port"]), 65535))
        self.workers = _number("SKEINO_WORKERS", str(options["workers"]), 1000)
        self.web = _number("WEB_CONCURRENCY", str(options["web"]), 1000)
        signals = StopSignals()
        signals.catch()
        self.supervisor = Supervisor(signals)
        try:
            self._serve()
        except StopRequested:
            self._say("Stopping.")
        finally:
            self._stop()

    def _serve(self) -> None:
        environment = self._prepare()
        self._start_processes(environment)
        self._wait_until_it_answers()
        self._welcome()
        self._fail(self.supervisor.wait())

    def _stop(self) -> None:
        self.supervisor.stop(STOP_PATIENCE)
        startup.close_connections()
        try:
            embedded_postgres.stop(settings.DATA_DIR)
        except embedded_postgres.EmbeddedPostgresError as exc:
            raise CommandError(str(exc)) from exc

    def _prepare(self) -> dict[str, str]:
        """Find out what is wrong before a process starts. Returns what the processes' environment needs."""
        self._say(f"Checking that port {self.endpoint.port} on {self.endpoint.host} is free.")
        self.endpoint.check_is_free()
        database_url = self._open_database()
        self._say("Running Django's system checks.")
        for warning in startup.run_system_checks():
            self._say(f"Warning: {warning}")
        self._say("Loading the graphs.")
        self._say(f"Loaded {', '.join(startup.load_graphs())}.")
        if count := startup.count_new_migrations():
            self._say(f"Applying {count} migration{'s' if count > 1 else ''} to the database.")
            startup.migrate()
        startup.close_connections()
        # uvicorn reads WEB_CONCURRENCY too, and --web wins over it.
        environment = {"DATABASE_URL": database_url, "WEB_CONCURRENCY": str(self.web)}
        return environment | self._anonymous_access() | self._throttling()

    def _open_database(self) -> str:
        if url := os.environ.get("DATABASE_URL"):
            self._say("Connecting to the database in DATABASE_URL.")
            startup.check_connection()
            return url
        self._say(f"Starting PostgreSQL in {settings.DATA_DIR / 'postgres'}.")
        # As root it may have to open folders to the user who runs the server. That is worth a line.
        embedded_postgres.logger.setLevel(logging.INFO)
        embedded_postgres.logger.addHandler(logging.StreamHandler(self.stdout))
        embedded_postgres.logger.propagate = False
        return startup.start_embedded_postgres()

    def _anonymous_access(self) -> dict[str, str]:
        if not self.endpoint.is_loopback or os.environ.get("SKEINO_ALLOW_ANONYMOUS"):
            return {}
        self._say(
            "Anyone on this machine may use the API without logging in; "
            "set SKEINO_ALLOW_ANONYMOUS=0 to require accounts."
        )
        return {"SKEINO_ALLOW_ANONYMOUS": "1"}

    def _throttling(self) -> dict[str, str]:
        """Where only this machine can connect, nobody needs to be held off."""
        open_to_others = not self.endpoint.is_loopback or os.environ.get("SKEINO_THROTTLE")
        return {} if open_to_others else {"SKEINO_THROTTLE": "0"}

    def _start_processes(self, environment: dict[str, str]) -> None:
        self._say(f"Starting web processes: {self.web}, workers: {self.workers}.")
        environment = {**os.environ, **environment}
        web = _named("skeino web") | environment
        self.supervisor.start("web process", self._web_command(), web)
        for number in range(1, self.workers + 1):
            worker = [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker"]
            own = WORKER_SHUTDOWN | _named(f"skeino worker {number}") | environment | _metrics_port(number)
            self.supervisor.start(f"worker {number}", worker, own)

    def _web_command(self) -> list[str]:
        command = [sys.executable, "-m", "uvicorn", "skeino_site.asgi:application"]
        command += ["--app-dir", str(settings.BASE_DIR)]  # the working directory may be another
        command += ["--host", self.endpoint.host, "--port", str(self.endpoint.port)]
        command += ["--no-access-log", "--log-level", "warning"]
        command += ["--timeout-graceful-shutdown", "3"]  # an open stream can be joined again later
        # Longer than clients keep theirs: a request must not meet a connection that is just being closed.
        command += ["--timeout-keep-alive", "75"]
        return command + (["--workers", str(self.web)] if self.web > 1 else [])

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while not self.endpoint.answers():
            if child := self.supervisor.ended():
                self._fail(child)
            if time.monotonic() > deadline:
                url = self.endpoint.url("/ok")
                raise CommandError(f"{url} was not answered with 200 for {START_PATIENCE:.0f} seconds.")
            time.sleep(0.05)

    def _welcome(self) -> None:
        url = self.endpoint.url
        self._say("Ready. Ctrl-C stops everything.")
        self._say(f"  API    {url('')}")
        self._say(f"  Docs   {url('/docs')}")
        self._say(f"  Admin  {url('/admin/')}")
        self._say("A superuser is made with: .venv/bin/python manage.py createsuperuser")

    def _fail(self, child: Child) -> NoReturn:
        raise CommandError(f"The {child.name} {child.outcome}; the rest is stopped too.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _named(process: str) -> dict[str, str]:
    """By which name Postgres shows the process's connections, unless the environment says another."""
    return {"PGAPPNAME": process}


def _metrics_port(number: int) -> dict[str, str]:
    """For the worker of that number, from 1: workers of one machine cannot share a port."""
    first = conf.SKEINO_WORKER_METRICS_PORT
    return {} if first is None else {"SKEINO_WORKER_METRICS_PORT": str(first + number - 1)}


def _number(name: str, text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise CommandError(f"{name} must be a number from 1 to {most}, not {text!r}.")
    return int(text)
