"""Real worker processes on the test database."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.db import connection

from tests.live import ROOT, TEST_GRAPHS

# The settings of workers that are to be lost, or stopped, soon.
IMPATIENT = {"DJANGO_SETTINGS_MODULE": "tests.runs.impatient_settings"}


class WorkerProcess(subprocess.Popen[bytes]):
    output = ""  # all that it wrote, when it has ended


@contextmanager
def worker_process(**environment: str) -> Iterator[WorkerProcess]:
    """A worker, which is asked to stop at the end of the block."""
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    environment |= {"DATABASE_URL": database.geturl(), "LANGGRAPH_JSON": str(TEST_GRAPHS)}
    command = [sys.executable, "manage.py", "worker"]
    with tempfile.TemporaryFile("w+") as output:
        process = WorkerProcess(
            command, cwd=ROOT, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
            process.terminate()
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            output.seek(0)
            process.output = output.read()
            print(process.output)
