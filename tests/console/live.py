"""A real server with staff to log in, for tests of streams and in browsers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.live import ROOT, serving

# Support: everything but what threads hold.
STAFF = """
from django.contrib.auth.models import Permission, User
User.objects.create_superuser("root", "root@example.com", "root")
staff = User.objects.create_user("support", password="support", is_staff=True)
names = ["view_thread", "view_run", "add_run", "cancel_run", "view_all_threads", "manage_all_threads"]
staff.user_permissions.set(Permission.objects.filter(codename__in=names))
"""


@contextmanager
def serving_staff(database: str) -> Iterator[str]:
    """The URL of a server with the users ``root`` and ``support``, whose passwords are their names."""
    with serving(database, SKEINO_ALLOW_ANONYMOUS="1", DEBUG="1") as url:
        environment = {**os.environ, "DATABASE_URL": database}
        command = [sys.executable, str(ROOT / "manage.py"), "shell", "-c", STAFF]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        yield url


@contextmanager
def logged_in(url: str, name: str) -> Iterator[httpx.Client]:
    """A client with the session of a user, which it does not use for the API."""
    with httpx.Client(base_url=url, timeout=30) as client:
        token = client.get("/admin/login/").cookies["csrftoken"]
        form = {"username": name, "password": name, "csrfmiddlewaretoken": token}
        assert client.post("/admin/login/", data=form).status_code == 302
        yield client
