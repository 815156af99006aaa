from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError
from prometheus_client import start_http_server

from assistants.graphs import GraphLoadError, registry
from assistants.langgraph_json import LanggraphJsonError
from runs import worker
from runs.conf import conf


class Command(BaseCommand):
    help = "Execute runs until stopped. Start as many as you like, on as many machines as you like."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            registry.load_all()
        except (GraphLoadError, LanggraphJsonError) as exc:
            raise CommandError(str(exc)) from exc
        with _metrics_served(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._work())

    async def _work(self) -> None:
        async with worker.opened() as opened:
            # What is loaded by now stays: keep it out of full collections, which pause every run.
            gc.collect()
            gc.freeze()
            await worker.work(opened)


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
