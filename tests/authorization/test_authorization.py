"""The table of who may do what holds for every operation and every socket there is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from pytest_django import Settings
from rest_framework.test import ForceAuthClientHandler

from tests.authorization import page
from tests.authorization.table import (
    ACCOUNT,
    DETOURS,
    FORBIDDEN,
    LIST,
    NO_ACCOUNT,
    OK,
    OPEN,
    OPERATIONS,
    PEOPLE,
    READ,
    SOCKETS,
    Body,
    Rule,
)
from tests.authorization.world import SECRET, World

if TYPE_CHECKING:
    from rest_framework.test import APIClient

ROWS = [(name, rule, body) for name, (rule, body) in OPERATIONS.items()] + DETOURS

OF_A_THREAD = [row for row in ROWS if row[1] not in (OPEN, ACCOUNT, LIST)]


ANSWERED = (200, 202, 204, 503)  # the last is how one who is ready for nothing says so

# Runs are made for threads that are not there.
OPENING = ("if_not_exists", "messages")


class Impatient(ForceAuthClientHandler):
    """Does not wait for runs, which nobody executes here. It takes views as `skeino_site.handler` does."""

    def make_view_atomic(self, view: Any) -> Any:
        return super().make_view_atomic(getattr(view, "synchronous", view))


def client(world: World, person: str) -> APIClient:
    from rest_framework.test import APIClient

    api = APIClient()
    api.handler = Impatient(enforce_csrf_checks=False)
    if user := world.users[person]:
        api.force_login(user)
    return api


def call(world: World, person: str, operation: str, body: Body) -> Any:
    method, path = world.filled_in(operation).split(" ", 1)
    return getattr(client(world, person), method.lower())(path, world.filled_in_body(body))


def text_of(response: Any) -> str:
    return "" if response.streaming else str(response.content.decode())


# Nothing is missing


def test_the_table_names_every_operation() -> None:
    from drf_spectacular.generators import SchemaGenerator

    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == set(
        OPERATIONS
    )


def test_the_table_names_every_route_of_the_api() -> None:
    """Those too that the document leaves out."""
    from django.urls import get_resolver
    from rest_framework.views import APIView

    from tests.skeino_site.test_permissions import all_patterns

    routes = set()
    for pattern in all_patterns(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None) or getattr(pattern.callback, "view_class", None)
        if view is not None and issubclass(view, APIView):
            routes.add(re.sub(r"<(\w+:)?(\w+)>", r"{\2}", f"/{pattern.pattern}"))
    named = {operation.split(" ")[1] for operation in OPERATIONS}
    assert {route for route in routes if route not in named} == {"/openapi.json", "/docs"}


def test_the_table_names_every_socket() -> None:
    from runs.routing import websocket_urlpatterns

    routes = {re.sub(r"<\w+:(\w+)>", r"{\1}", f"/{one.pattern}") for one in websocket_urlpatterns}
    assert routes == set(SOCKETS)


def test_the_page_is_the_tables() -> None:
    assert page.PAGE.read_text() == page.made()


# Each outcome


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize(("operation", "rule", "body"), ROWS)
def test_everybody_is_answered_as_the_table_says(
    world: World, settings: Settings, person: str, operation: str, rule: Rule, body: Body
) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = person == "anonymous"
    response = call(world, person, operation, body)
    status, expected = response.status_code, rule.outcome(person)
    assert (OK if status in ANSWERED else status) == expected, text_of(response)
    if expected != OK:
        refusal = response.json()
        assert isinstance(refusal["detail"] if "detail" in refusal else refusal["error"]["message"], str)
    # What they may not read, they do not find in any answer.
    if READ.outcome(person) != OK:
        assert SECRET not in text_of(response)
        assert str(world.run.pk) not in text_of(response).replace(f"Run with ID {world.run.pk} not found", "")
    elif rule is LIST:
        assert SECRET in text_of(response)


@pytest.mark.parametrize("person", ["stranger", "reader", "viewer"])
@pytest.mark.parametrize(("operation", "rule", "body"), OF_A_THREAD)
def test_who_may_only_read_changes_nothing(
    world: World, person: str, operation: str, rule: Rule, body: Body
) -> None:
    from runs.models import Run
    from threads.models import Thread

    def everything() -> Any:
        thread = Thread.objects.filter(pk=world.thread.pk).values().get()
        runs = Run.objects.filter(thread=world.thread).values("pk", "status", "cancel_action", "user")
        shares = world.thread.shares.values("group", "access")
        return thread, list(runs), list(shares)

    before = everything()
    call(world, person, operation, body)
    assert everything() == before


@pytest.mark.parametrize(
    ("operation", "body"),
    [(name, body) for name, rule, body in OF_A_THREAD if not any(key in (body or ()) for key in OPENING)],
)
def test_what_one_may_not_read_is_as_if_it_were_not_there(world: World, operation: str, body: Body) -> None:
    from threads.models import Thread

    foreign = call(world, "stranger", operation, body)
    Thread.objects.filter(pk=world.thread.pk).delete()
    gone = call(world, "stranger", operation, body)
    refusals = [{**answer.json(), "metadata": None} for answer in (foreign, gone)]
    assert (foreign.status_code, refusals[0]) == (gone.status_code, refusals[1])


@pytest.mark.parametrize(
    ("operation", "body"), [(name, body) for name, rule, body in ROWS if rule is not OPEN]
)
def test_with_model_permissions_the_owner_needs_them_too(
    world: World, settings: Settings, operation: str, body: Body
) -> None:
    settings.SKEINO_MODEL_PERMISSIONS = True
    assert call(world, "owner", operation, body).status_code == FORBIDDEN
    assert call(world, "nobody", operation, body).status_code == NO_ACCOUNT


def test_nobody_gets_what_others_deleted_or_made(world: World) -> None:
    """A thread's id that was another's is a new thread's, with nothing of the old one in it."""
    from runs.models import Run

    path = f"/threads/{world.thread.pk}"
    assert client(world, "owner").delete(path).status_code == 204
    assert client(world, "stranger").post("/threads", {"thread_id": str(world.thread.pk)}).status_code == 200
    assert SECRET not in text_of(client(world, "stranger").get(path))
    assert client(world, "owner").get(path).status_code == 404
    assert not Run.objects.exists()
