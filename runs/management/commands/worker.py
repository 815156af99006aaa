from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError
from prometheus_client import start_http_server

from assistants.graphs import GraphLoadError, registry
from assistants.langgraph_json import LanggraphJsonError
from runs import garbage, worker
from runs.conf import conf
from runs.deadline import Deadline

# To hand runs back once their nodes have been cancelled, and to close what is open.
CLOSE_SECONDS = 2.0


class Command(BaseCommand):
    help = "Execute runs until stopped. Start as many as you like, on as many machines as you like."
    requires_system_checks = ["skeino"]  # and nothing of URLs, of which it serves none

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            registry.load_all()
        except (GraphLoadError, LanggraphJsonError) as exc:
            raise CommandError(str(exc)) from exc
        self._deadline = Deadline()
        with _metrics_served(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._work())
            reason = "All runs were handed back. Nodes that go on all the same end with the process."
            self._deadline.set(CLOSE_SECONDS, status=0, reason=reason)

    async def _work(self) -> None:
        async with worker.opened() as opened:
            garbage.settle()
            await worker.work(opened, on_stop=self._on_stop)

    def _on_stop(self) -> None:
        seconds = conf.SKEINO_WORKER_SHUTDOWN_SECONDS + conf.SKEINO_CANCEL_SECONDS + CLOSE_SECONDS
        reason = "The worker could not stop in time. Others will take back the runs that it has."
        self._deadline.set(seconds, status=1, reason=reason)


@contextmanager
def _metrics_served() -> Iterator[None]:
    """A worker answers no requests but this one, and only where the setting says so."""
    port = conf.SKEINO_WORKER_METRICS_PORT
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port)
    except OSError as exc:
        raise CommandError(f"SKEINO_WORKER_METRICS_PORT {port} cannot be used: {exc}.") from exc
    yield
    server.shutdown()
    server.server_close()
    thread.join()
