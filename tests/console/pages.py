"""Pages of the admin, as tests ask for them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from assistants.models import Assistant
from runs.models import Run
from threads.models import Thread

SCRIPT = "<script>alert('x')</script>"


def url(obj: Model | type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_{page}", args=args)


def page(client: Client, url: str, **headers: str) -> str:
    response = client.get(url, headers=headers)
    assert response.status_code == 200, (url, response.status_code)
    return response.content.decode()


def do(client: Client, obj: Any, verb: str, **form: str) -> HttpResponse:
    """Do it on the object's page, and say yes to what is asked."""
    return client.post(url(obj, "verb", obj.pk, verb), {"confirmed": "yes", **form})  # type: ignore[return-value]


def do_to_all(client: Client, objects: list[Any], verb: str, **form: str) -> HttpResponse:
    """Do it from the list."""
    chosen = {"action": verb, "_selected_action": [str(obj.pk) for obj in objects], **form}
    return client.post(url(objects[0], "changelist"), chosen)  # type: ignore[return-value]


def log_in_staff(client: Client, *permissions: str) -> User:
    """A member of staff with permissions such as ``runs.cancel_run``, and with all threads in view."""
    staff = User.objects.create_user("staff", is_staff=True)
    for permission in ("threads.view_all_threads", *permissions):
        app, codename = permission.split(".")
        kind = ContentType.objects.get_for_model(Run if app == "runs" else Thread)
        found = Permission.objects.get_or_create(
            codename=codename, content_type=kind, defaults={"name": codename}
        )
        staff.user_permissions.add(found[0])
    client.force_login(staff)
    return staff


def make_run(thread: Thread, status: str = "success", **fields: Any) -> Run:
    """A run that no queue knows of."""
    assistant = Assistant.objects.get_or_create(graph_id="echo", defaults={"name": "echo"})[0]
    return Run.objects.create(thread=thread, assistant=assistant, job_id=1, status=status, **fields)


def submit(thread: Thread) -> Run:
    """A run that waits in the queue."""
    assistant = Assistant.objects.get_or_create(graph_id="echo", defaults={"name": "echo"})[0]
    return Run.objects.submit(thread, assistant, kwargs={"input": None})
