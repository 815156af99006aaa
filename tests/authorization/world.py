"""The people of the table, and a thread between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group, Permission, User

from runs.models import Run
from tests.runs.engine import submit
from threads.models import Thread
from threads.sharing import ThreadShare

SECRET = "between us"


@dataclass(frozen=True)
class World:
    """A thread that holds the secret, its pending run, and the users of the table."""

    users: dict[str, User | None]
    thread: Thread
    run: Run
    readers: Group

    def filled_in(self, text: str) -> str:
        names = {
            "thread_id": self.thread.pk,
            "run_id": self.run.pk,
            "group_id": self.readers.pk,
            "assistant_id": "echo",
            "checkpoint_id": self.run.pk,  # none of the thread's: empty, for who may read
            "namespace": "child",
        }
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def filled_in_body(self, body: Any) -> Any:
        if isinstance(body, dict):
            return {key: self.filled_in_body(value) for key, value in body.items()}
        if isinstance(body, list):
            return [self.filled_in_body(value) for value in body]
        return self.filled_in(body) if isinstance(body, str) else body


def made() -> World:
    groups = {name: Group.objects.create(name=name) for name in ("Readers", "Runners", "Others")}
    users = {
        "owner": _user("owner", groups["Readers"]),
        "stranger": _user("stranger", groups["Others"]),
        "reader": _user("reader", groups["Readers"]),
        "runner": _user("runner", groups["Readers"], groups["Runners"]),
        "staff": _user("staff", staff=True),
        "viewer": _user("viewer", groups["Others"], staff=True, permission="view_all_threads"),
        "manager": _user("manager", groups["Readers"], staff=True, permission="manage_all_threads"),
    }
    thread = Thread.objects.open(user=users["owner"], metadata={"topic": SECRET})
    run = submit(
        thread=thread, user=users["owner"], input={"messages": [{"role": "user", "content": SECRET}]}
    )
    # As if the run had begun and paused: its events are there, and the state can be edited.
    Thread.objects.filter(pk=thread.pk).update(status="idle", values={"topic": SECRET})
    ThreadShare.objects.create(thread=thread, group=groups["Readers"], access="read")
    ThreadShare.objects.create(thread=thread, group=groups["Runners"], access="run")
    return World({"nobody": None, "anonymous": None, **users}, thread, run, groups["Readers"])


def _user(name: str, *groups: Group, staff: bool = False, permission: str = "") -> User:
    user = User.objects.create(username=name, is_staff=staff)
    user.groups.set(groups)
    user.user_permissions.set(Permission.objects.filter(codename=permission))
    return user
