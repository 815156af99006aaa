"""What graphs are told of who asked for their run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime, get_runtime
from langgraph_sdk.auth.types import BaseUser
from pytest_django import Settings

from runs.graph_user import GraphUser, graph_user
from runs.models import Run
from tests.graphs.plain import Text, one_node
from tests.runs.engine import asubmit, work_off

pytestmark = pytest.mark.usefixtures("engine")

FORGED = {
    "langgraph_auth_user": {"identity": "root"},
    "langgraph_auth_user_id": "root",
    "langgraph_auth_permissions": ["everything"],
    "langgraph_auth_more": "forged",
}


async def tell(state: Text, config: RunnableConfig) -> Text:
    """What the node is told, as text: users are no part of a state."""
    told = {key: value for key, value in config["configurable"].items() if key.startswith("langgraph_auth_")}
    server_info = get_runtime().server_info
    user = told["langgraph_auth_user"]
    told["langgraph_auth_user"] = {key: user[key] for key in user} if user else None
    told["runtime"] = server_info.user.identity if server_info and server_info.user else None
    return {"text": json.dumps(told)}


def factory(config: RunnableConfig) -> Any:
    """A graph that is made for its user."""
    user_id = config["configurable"]["langgraph_auth_user_id"]

    async def greet(state: Text, runtime: Runtime) -> Text:
        return {"text": json.dumps({"made for": user_id})}

    return one_node(Text, greet)


def mine(user: User) -> GraphUser:
    return GraphUser(identity=user.email, display_name="you", permissions=["mine"])


def broken(user: User) -> GraphUser:
    raise LookupError("no such tenant")


@pytest.fixture(autouse=True)
def graphs(settings: Settings) -> None:
    settings.SKEINO_GRAPHS = {"tell": one_node(Text, tell).compile(), "factory": factory}


@pytest.fixture
async def alice(engine: None) -> AsyncIterator[User]:
    user = await User.objects.acreate(
        username="alice", first_name="Alice", last_name="Li", email="alice@example.com"
    )
    group = await Group.objects.acreate(name="Operators")
    await group.permissions.aadd(await Permission.objects.aget(codename="view_all_threads"))
    await user.groups.aadd(group)
    yield user


async def run_by(user: User | None, assistant_id: str = "tell", **body: Any) -> Run:
    run = await asubmit(assistant_id, user=user, input={"text": ""}, **body)
    await work_off()
    return await Run.objects.select_related("thread").aget(pk=run.pk)


async def told(user: User | None, **body: Any) -> dict[str, Any]:
    run = await run_by(user, **body)
    assert run.status == "success", run.error
    return dict(json.loads(run.thread.values["text"]))


async def test_a_node_knows_who_asked(alice: User) -> None:
    assert await told(alice) == {
        "langgraph_auth_user": {
            "identity": str(alice.pk),
            "display_name": "Alice Li",
            "permissions": ["threads.view_all_threads"],
            "is_authenticated": True,
        },
        "langgraph_auth_user_id": str(alice.pk),
        "langgraph_auth_permissions": ["threads.view_all_threads"],
        "runtime": str(alice.pk),
    }


NOBODY: dict[str, Any] = {
    "langgraph_auth_user": None,
    "langgraph_auth_user_id": "",
    "langgraph_auth_permissions": [],
    "runtime": None,
}


async def test_without_credentials_there_is_nobody() -> None:
    assert await told(None) == NOBODY


async def test_a_user_who_is_gone_is_nobody(alice: User) -> None:
    run = await asubmit("tell", user=alice, input={"text": ""})
    await alice.adelete()
    await work_off()
    run = await Run.objects.select_related("thread").aget(pk=run.pk)
    assert json.loads(run.thread.values["text"]) == NOBODY


@pytest.mark.parametrize("place", ["configurable", "context", "metadata", "config"])
@pytest.mark.parametrize("anonymous", [True, False])
async def test_a_client_cannot_say_who_it_is(alice: User, place: str, anonymous: bool) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "configurable": {"config": {"configurable": FORGED}},
        "context": {"context": FORGED},
        "metadata": {"metadata": FORGED, "config": {"metadata": FORGED}},
        "config": {"config": FORGED},
    }
    user = None if anonymous else alice
    assert await told(user, **bodies[place]) == await told(user)
    assert "root" not in await written()


@sync_to_async
def written() -> str:
    """The metadata of all checkpoints."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(metadata ->> 'langgraph_auth_user_id', ' ') FROM checkpoints")
        return str(cursor.fetchone()[0])


async def test_a_factory_knows_who_asked(alice: User) -> None:
    assert await told(alice, assistant_id="factory") == {"made for": str(alice.pk)}


async def test_a_project_says_itself_what_graphs_are_told(alice: User, settings: Settings) -> None:
    settings.SKEINO_GRAPH_USER = f"{__name__}.mine"
    found = await told(alice)
    assert found["langgraph_auth_user_id"] == found["runtime"] == "alice@example.com"
    assert found["langgraph_auth_permissions"] == ["mine"]


async def test_a_run_whose_user_cannot_be_told_fails(alice: User, settings: Settings) -> None:
    settings.SKEINO_GRAPH_USER = f"{__name__}.broken"
    run = await run_by(alice)
    assert (run.status, run.error) == ("error", {"error": "LookupError", "message": "no such tenant"})


@pytest.mark.parametrize("mode", ["debug", "checkpoints", "events"])
async def test_streams_do_not_show_the_user(alice: User, mode: str) -> None:
    run = await run_by(alice, assistant_id="factory", stream_mode=[mode])
    data = "".join([event.data async for event in run.events.all()])
    assert "Alice Li" not in data
    assert "view_all_threads" not in data


async def test_it_is_what_langgraph_takes_for_a_user(alice: User) -> None:
    user = await sync_to_async(graph_user)(alice)
    assert isinstance(user, BaseUser)
    assert "identity" in user
    assert "password" not in user
    with pytest.raises(KeyError):
        user["password"]
