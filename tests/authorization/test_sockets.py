"""The table of who may do what holds for every socket."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser
from pytest_django import Settings

from runs.models import Run, RunEvent
from runs.routing import websocket_urlpatterns
from tests.authorization.table import OK, PEOPLE, SOCKETS, Rule
from tests.authorization.world import made
from tests.runs.engine import IDLE, aclaim, afinish
from tests.sockets import PatientCommunicator

pytestmark = pytest.mark.usefixtures("engine")


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize(("path", "rule"), SOCKETS.items())
async def test_everybody_is_let_into_sockets_as_the_table_says(
    settings: Settings, path: str, rule: Rule, person: str
) -> None:

    world = await sync_to_async(made)()
    run = await aclaim(world.run.pk)
    assert run
    await RunEvent.objects.acreate(run=run, seq=1, event="metadata", data="{}")
    await afinish(run, Run.Status.SUCCESS, IDLE, seq=2)
    settings.SKEINO_ALLOW_ANONYMOUS = person == "anonymous"
    communicator = PatientCommunicator(URLRouter(websocket_urlpatterns), world.filled_in(path))
    communicator.scope["user"] = world.users[person] or AnonymousUser()
    await communicator.connect()
    message = await communicator.receive_output()
    await communicator.disconnect()
    if rule.outcome(person) == OK:
        assert '"event":"metadata"' in message["text"]
    else:
        assert (message["type"], message["code"]) == ("websocket.close", 4000 + rule.outcome(person))


async def test_with_model_permissions_sockets_need_them_too(settings: Settings) -> None:
    world = await sync_to_async(made)()
    settings.SKEINO_MODEL_PERMISSIONS = True
    for path in SOCKETS:
        communicator = PatientCommunicator(URLRouter(websocket_urlpatterns), world.filled_in(path))
        communicator.scope["user"] = world.users["owner"]
        await communicator.connect()
        assert (await communicator.receive_output())["code"] == 4403
        await communicator.disconnect()
