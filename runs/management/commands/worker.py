from __future__ import annotations

import asyncio
import gc
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError

from assistants.graphs import GraphLoadError, registry
from assistants.langgraph_json import LanggraphJsonError
from runs import worker


class Command(BaseCommand):
    help = "Execute runs until stopped. Start as many as you like, on as many machines as you like."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            registry.load_all()
        except (GraphLoadError, LanggraphJsonError) as exc:
            raise CommandError(str(exc)) from exc
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._work())

    async def _work(self) -> None:
        async with worker.opened() as opened:
            # What is loaded by now stays: keep it out of full collections, which pause every run.
            gc.collect()
            gc.freeze()
            await worker.work(opened)
