"""Several web and worker processes on one Postgres, to be stopped, killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.live import ROOT, free_port

FOLDER = Path(__file__).resolve().parent


class Process:
    """A process that can be started again, with all that it wrote."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._command, self._environment = command, environment
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the cluster)
        self.start()

    def start(self) -> None:
        self.popen = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    async def terminate(self, seconds: float = 20) -> int:
        """Ask it to stop; its exit status."""
        self.popen.terminate()
        return await asyncio.to_thread(self.popen.wait, seconds)

    def said(self) -> str:
        self._output.seek(0)
        return self._output.read()

    def close(self) -> None:
        self.signal(signal.SIGCONT)
        self.kill()
        self._output.close()


class Web(Process):
    def __init__(self, environment: dict[str, str]) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "uvicorn", "skeino_site.asgi:application", "--port", str(self.port)]
        options = ["--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "15"]
        super().__init__([*command, *options], environment)

    async def answers(self) -> None:
        async with asyncio.timeout(60), httpx.AsyncClient() as client:
            while True:
                assert self.popen.poll() is None, self.said()
                with suppress(httpx.TransportError):
                    if (await client.get(f"http://127.0.0.1:{self.port}/ok")).status_code == 200:
                        return
                await asyncio.sleep(0.05)


class Balancer:
    """One address in front of all web processes: a connection goes to the next that takes it."""

    def __init__(self, webs: list[Web]) -> None:
        self._webs, self._turn = webs, 0
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1000)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            there = await self._next()
            if there is not None:
                writers.append(there[1])
                await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
        finally:
            for open_writer in writers:
                open_writer.close()
                with suppress(OSError):
                    await open_writer.wait_closed()

    async def _next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self._webs:
            self._turn += 1
            with suppress(OSError):
                port = self._webs[self._turn % len(self._webs)].port
                return await asyncio.open_connection("127.0.0.1", port)
        return None


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(2**16):
            target.write(data)
            await target.drain()
    target.close()  # what one side has ended, the other ends too


class Cluster:
    def __init__(self, database_url: str, *, webs: int, workers: int) -> None:
        environment = os.environ | {
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "LANGGRAPH_JSON": str(FOLDER / "langgraph.json"),
            "SKEINO_ALLOW_ANONYMOUS": "1",
            "SKEINO_WEB_THREADS": "4",
        }
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True)
        self.workers = [Process([*manage, "worker"], environment) for _ in range(workers)]
        self.webs = [Web(environment) for _ in range(webs)]

    async def ready(self) -> None:
        await asyncio.gather(*(web.answers() for web in self.webs))

    def said(self) -> str:
        return "\n".join(process.said() for process in [*self.webs, *self.workers])

    def stop(self) -> None:
        for process in [*self.workers, *self.webs]:
            process.close()


@contextmanager
def cluster(database_url: str, *, webs: int = 1, workers: int = 2) -> Iterator[Cluster]:
    found = Cluster(database_url, webs=webs, workers=workers)
    try:
        yield found
    finally:
        found.stop()
