"""``manage.py serve``: everything that a running server needs, in one command that Ctrl-C ends."""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from skeino_site import embedded_postgres, startup
from skeino_site.processes import Child, StopRequested, StopSignals, Supervisor

START_PATIENCE = 60.0  # seconds
STOP_PATIENCE = 8.0  # below the ten that container managers commonly grant


class Command(BaseCommand):
    help = "Check, migrate and run the server: web and worker processes and, without DATABASE_URL, PostgreSQL."
    requires_system_checks: list[str] = []  # they are one of the steps

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        environ = os.environ
        parser.add_argument("--host", default=environ.get("HOST") or "127.0.0.1")
        parser.add_argument("--port", default=environ.get("PORT") or "8000")
        parser.add_argument("--workers", default=environ.get("SKEINO_WORKERS") or "1", help="execute runs")
        parser.add_argument("--web", default=environ.get("WEB_CONCURRENCY") or "1", help="answer requests")

    def handle(self, *args: Any, **options: Any) -> None:
        self.host = options["host"]
        self.port = _number("PORT", options["port"], 65535)
        self.workers = _number("SKEINO_WORKERS", options["workers"], 1000)
        self.web = _number("WEB_CONCURRENCY", options["web"], 1000)
        signals = StopSignals()
        signals.catch()
        self.supervisor = Supervisor(signals)
        try:
            self._serve()
        except StopRequested:
            pass
        finally:
            self._stop()

    def _serve(self) -> None:
        environment = self._prepare()
        self._start_processes(environment)
        self._wait_until_it_answers()
        self._welcome()
        self._fail(self.supervisor.wait())

    def _stop(self) -> None:
        self._say("Stopping.")
        self.supervisor.stop(STOP_PATIENCE)
        startup.close_connections()
        embedded_postgres.stop(settings.DATA_DIR)

    def _prepare(self) -> dict[str, str]:
        """Everything that can fail before a process starts. Returns what their environment needs."""
        self._say(f"Checking that port {self.port} on {self.host} is free.")
        startup.check_port_is_free(self.host, self.port)
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
        return {"DATABASE_URL": database_url, "WEB_CONCURRENCY": str(self.web)} | self._anonymous_access()

    def _open_database(self) -> str:
        if url := os.environ.get("DATABASE_URL"):
            self._say("Connecting to the database in DATABASE_URL.")
            startup.check_connection()
            return url
        self._say(f"Starting PostgreSQL in {settings.DATA_DIR / 'postgres'}.")
        return startup.start_embedded_postgres()

    def _anonymous_access(self) -> dict[str, str]:
        if not startup.is_loopback(self.host) or os.environ.get("SKEINO_ALLOW_ANONYMOUS"):
            return {}
        self._say(
            "Anyone on this machine may use the API without logging in; "
            "set SKEINO_ALLOW_ANONYMOUS=0 to require accounts."
        )
        return {"SKEINO_ALLOW_ANONYMOUS": "1"}

    def _start_processes(self, environment: dict[str, str]) -> None:
        self._say(f"Starting web processes: {self.web}, workers: {self.workers}.")
        environment = os.environ | environment
        self.supervisor.start("web", self._web_command(), environment)
        for number in range(1, self.workers + 1):
            worker = [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker"]
            self.supervisor.start(f"worker {number}", worker, environment)

    def _web_command(self) -> list[str]:
        command = [sys.executable, "-m", "uvicorn", settings.ASGI_APPLICATION.replace(".application", ":application")]
        command += ["--app-dir", str(settings.BASE_DIR), "--host", self.host, "--port", str(self.port)]
        command += ["--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "3"]
        return command + (["--workers", str(self.web)] if self.web > 1 else [])

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while not self._answers():
            if ended := self.supervisor.ended():
                self._fail(ended)
            if time.monotonic() > deadline:
                raise CommandError(f"The web process did not answer {self._url('/ok')} for {START_PATIENCE:.0f} s.")
            time.sleep(0.05)
