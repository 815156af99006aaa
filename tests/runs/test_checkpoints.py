"""What the saver of runs writes, and when it refuses to."""

from __future__ import annotations

import asyncio
import itertools
import operator
import uuid
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, connection
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Send, interrupt
from procrastinate.contrib.django.utils import connector_params
from psycopg_pool import AsyncConnectionPool
from typing_extensions import TypedDict

from runs import undo
from runs.checkpoints import Owner, RunSaver, owner
from runs.exceptions import RunLost
from runs.models import Run
from tests.graphs.steps import ToldInParts
from tests.runs.engine import aclaim, aclaimed, afinish
from threads.checkpointer import TABLES, DjangoSaver
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("engine")

CHECKPOINT = "checkpoint - 'ts',"  # without its time
NO_ONE = uuid.UUID(int=0)


@pytest.fixture
async def pool() -> AsyncIterator[AsyncConnectionPool[Any]]:
    kwargs = connector_params(DEFAULT_DB_ALIAS) | {"autocommit": True, "prepare_threshold": 0}
    async with AsyncConnectionPool(kwargs=kwargs, min_size=1, max_size=3, open=False) as pool:
        yield pool


@pytest.fixture
async def run() -> Run:
    return await aclaimed()


def owned_by(run: Run) -> list[int]:
    """Write as the run from now on. The list grows each time the run is found lost."""
    losses: list[int] = []
    owner.set(Owner(run.pk, run.attempt, lambda action: None, lambda: losses.append(1)))
    return losses


def config_of(run: Run, thread_id: object = None) -> RunnableConfig:
    place = {"thread_id": str(thread_id or run.thread_id), "checkpoint_ns": ""}
    return RunnableConfig(configurable=place, metadata={"run_id": str(run.pk)})


@sync_to_async
def rows(thread_id: object) -> dict[str, list[Any]]:
    """All rows of the thread, without its id and the checkpoints' times."""
    with connection.cursor() as cursor:
        found = {}
        for table, columns in TABLES.items():
            row = f"({columns.replace('checkpoint,', CHECKPOINT)})::text"
            cursor.execute(
                f"SELECT replace({row}, %s, 'thread') FROM {table} WHERE thread_id = %s ORDER BY 1",
                [str(thread_id), str(thread_id)],
            )
            found[table] = [row for (row,) in cursor.fetchall()]
    return found


# --- the same as LangGraph's own ---


class Everything(TypedDict, total=False):
    messages: Annotated[list[Any], add_messages]
    text: str
    number: int
    share: float
    truth: bool
    nothing: None
    things: Annotated[list[Any], operator.add]


def everything() -> StateGraph[Any]:
    """Primitives, None, objects, parallel tasks, interrupts, a subgraph."""

    def say(state: Everything) -> Everything:
        return {
            "messages": [AIMessage("hi", id="2")],
            "text": "ünï\ncödé",
            "number": 2**40,
            "share": 0.5,
            "truth": True,
            "nothing": None,
            "things": [{"a": b"bytes"}, {1, 2}, NO_ONE],
        }

    def fan_out(state: Everything) -> list[Send]:
        return [Send("part", {"things": [number]}) for number in range(3)]

    def part(state: Everything) -> Everything:
        return {"things": state["things"]}

    def ask(state: Everything) -> Everything:
        return {"things": [interrupt("sure?")]}

    inner = StateGraph(Everything)
    inner.add_node("say", say)
    inner.add_edge(START, "say")
    builder = StateGraph(Everything)
    builder.add_node("inner", inner.compile())
    builder.add_node("part", part)
    builder.add_node("ask", ask)
    builder.add_edge(START, "inner")
    builder.add_conditional_edges("inner", fan_out, ["part"])
    builder.add_edge("part", "ask")
    return builder


def in_parts() -> StateGraph[Any]:
    """A delta channel."""

    def part(state: ToldInParts) -> ToldInParts:
        return {"done": [f"part {len(state['done'])}"]}

    builder = StateGraph(ToldInParts)
    for number in range(3):
        builder.add_node(str(number), part)
        builder.add_edge(str(number - 1) if number else START, str(number))
    return builder


INPUTS: dict[Any, list[Any]] = {
    everything: [
        {"messages": [HumanMessage("hello", id="1")]},
        Command(resume="yes"),
        {"messages": [HumanMessage("again", id="3")], "things": [None]},
    ],
    in_parts: [{"done": ["begun"]}, {"done": ["again"]}],
}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("builder", [everything, in_parts])
async def test_it_writes_the_same_rows_as_langgraphs_own_saver(
    pool: AsyncConnectionPool[Any],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    builder: Callable[[], StateGraph[Any]],
    durability: Any,
) -> None:
    # Versions have a random part.
    monkeypatch.setattr("langgraph.checkpoint.postgres.base.random", SimpleNamespace(random=lambda: 0.5))
    owned_by(run)
    written = []
    savers: list[tuple[object, BaseCheckpointSaver[Any]]] = [
        (run.thread_id, RunSaver(pool)),
        (uuid.uuid4(), AsyncPostgresSaver(pool)),
    ]
    for thread_id, saver in savers:
        ids = itertools.count(1)
        monkeypatch.setattr(
            "langgraph.pregel._checkpoint.uuid6", lambda ids=ids, **kwargs: uuid.UUID(int=next(ids))
        )
        graph = builder().compile(checkpointer=saver)
        for graph_input in INPUTS[builder]:
            await graph.ainvoke(graph_input, config_of(run, thread_id), durability=durability)
        written.append(await rows(thread_id))
    assert written[0] == written[1]
    assert written[0]["checkpoints"]
    assert written[0]["checkpoint_writes"]


async def test_what_it_writes_is_read_alike_by_requests(pool: AsyncConnectionPool[Any], run: Run) -> None:
    owned_by(run)
    graph = everything().compile(checkpointer=RunSaver(pool))
    config = config_of(run)
    await graph.ainvoke({"messages": [HumanMessage("hello", id="1")]}, config)
    read = await graph.aget_state(config, subgraphs=True)

    def by_request() -> Any:
        return everything().compile(checkpointer=DjangoSaver()).get_state(config, subgraphs=True)

    assert await sync_to_async(by_request)() == read
    assert [found.value for found in read.interrupts] == ["sure?"]


@pytest.mark.parametrize("text", ["NUL \0", "\0", "\\u0000"])
async def test_a_text_with_a_nul_is_kept(pool: AsyncConnectionPool[Any], run: Run, text: str) -> None:
    owned_by(run)
    builder = StateGraph(Everything)
    builder.add_node("say", lambda state: {"text": text})
    builder.add_edge(START, "say")
    graph = builder.compile(checkpointer=RunSaver(pool))
    await graph.ainvoke({"number": 1}, config_of(run))
    assert (await graph.aget_state(config_of(run))).values["text"] == text


async def test_a_blank_thread_is_not_read(
    pool: AsyncConnectionPool[Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = AsyncPostgresSaver.aget_tuple

    async def noted(self: Any, config: RunnableConfig) -> Any:
        reads.append(config["configurable"]["thread_id"])
        return await read(self, config)

    monkeypatch.setattr(AsyncPostgresSaver, "aget_tuple", noted)
    assert not run.has_checkpoints
    owner.set(Owner(run.pk, run.attempt, lambda action: None, lambda: None, str(run.thread_id)))
    graph = in_parts().compile(checkpointer=RunSaver(pool))
    other = uuid.uuid4()
    blank, read_one = await graph.aget_state(config_of(run)), await graph.aget_state(config_of(run, other))
    assert blank == read_one._replace(config=blank.config)
    assert reads == [str(other)]
    await graph.ainvoke({"done": []}, config_of(run))
    assert reads.count(str(run.thread_id)) == 0
    assert (await graph.aget_state(config_of(run))).values["done"]
    assert reads.count(str(run.thread_id)) == 1


async def test_a_claim_tells_whether_the_thread_has_checkpoints(
    pool: AsyncConnectionPool[Any], run: Run
) -> None:
    owned_by(run)
    await RunSaver(pool).aput(config_of(run), empty_checkpoint(), {}, {})
    await released(run)
    assert (again := await aclaim(run.pk))
    assert again.has_checkpoints


async def beside_one_another(saver: RunSaver, run: Run, **metadata: Any) -> list[Any]:
    """A task's writes and the checkpoint after it, as LangGraph has them written at a step's end."""
    at = await saver.aput(config_of(run), empty_checkpoint(), {"step": 1}, {})
    step: Any = {"step": 2, **metadata}
    return await asyncio.gather(
        saver.aput_writes(at, [("a", [2]), ("b", 2)], "task"),
        saver.aput(at, empty_checkpoint(), step, {}),
        return_exceptions=True,
    )


async def test_writes_and_the_next_checkpoint_go_together(
    pool: AsyncConnectionPool[Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed = []
    execute = RunSaver._execute

    async def noted(self: RunSaver, *args: Any) -> None:
        executed.append(args)
        await execute(self, *args)

    owned_by(run)
    monkeypatch.setattr(RunSaver, "_execute", noted)
    assert not [one for one in await beside_one_another(RunSaver(pool), run) if isinstance(one, Exception)]
    written = await rows(run.thread_id)
    assert (len(written["checkpoints"]), len(written["checkpoint_writes"])) == (2, 2)
    assert len(executed) == 2


async def test_writes_are_kept_whose_checkpoint_cannot_be(pool: AsyncConnectionPool[Any], run: Run) -> None:
    owned_by(run)
    _, refused = await beside_one_another(RunSaver(pool), run, text="\ud800")
    assert isinstance(refused, Exception)
    written = await rows(run.thread_id)
    assert (len(written["checkpoints"]), len(written["checkpoint_writes"])) == (1, 2)


# --- the fence ---


async def write_all(saver: RunSaver, config: RunnableConfig) -> None:
    versions: dict[str, str | int | float] = {"a": "1", "b": "1"}
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"], checkpoint["channel_versions"] = {"a": [1], "b": 1}, versions
    at = await saver.aput(config, checkpoint, {"step": 1}, versions)
    await saver.aput_writes(at, [("a", [2]), ("b", 2)], "task")


async def taken_over(run: Run) -> None:
    await sync_to_async(run.release)()
    assert await aclaim(run.pk)


async def released(run: Run) -> None:
    await sync_to_async(run.release)()


async def finished(run: Run) -> None:
    await afinish(run, Run.Status.SUCCESS, None, seq=1)


async def rolled_back(run: Run) -> None:
    assert await sync_to_async(run.cancel)(Run.CancelAction.ROLLBACK)


async def deleted(run: Run) -> None:
    await sync_to_async(lambda: Thread.objects.get(pk=run.thread_id).delete())()


@pytest.mark.parametrize("lose", [released, taken_over, finished, rolled_back, deleted])
async def test_nothing_is_written_for_a_run_that_is_lost(
    pool: AsyncConnectionPool[Any], run: Run, lose: Callable[[Run], Any]
) -> None:
    losses, saver, config = owned_by(run), RunSaver(pool), config_of(run)
    await write_all(saver, config)
    before = await rows(run.thread_id)
    await lose(run)
    kept = before if lose not in (rolled_back, deleted) else {table: [] for table in before}
    with pytest.raises(RunLost):
        await saver.aput(config, empty_checkpoint() | {"channel_values": {"c": [3]}}, {}, {"c": "2"})
    for channel in ("c", "__interrupt__"):  # of which one would replace, and one would not
        with pytest.raises(RunLost):
            at = RunnableConfig(configurable=config["configurable"] | {"checkpoint_id": "x"})
            await saver.aput_writes(at, [(channel, 1)], "task")
    assert await rows(run.thread_id) == kept
    assert len(losses) == 3
    assert not await undo.WriteBefore.objects.aexists()


# --- many at a time ---


async def test_runs_write_beside_one_another(pool: AsyncConnectionPool[Any]) -> None:
    """Though one of them waits for a lock."""
    runs = [await aclaimed() for _ in range(3)]
    saver = RunSaver(pool)

    async def write(run: Run) -> None:
        owned_by(run)
        await write_all(saver, config_of(run))

    async with pool.connection() as holder, holder.transaction():
        await holder.execute("SELECT 1 FROM runs_run WHERE id = %s FOR UPDATE", [runs[0].pk])
        waiting = asyncio.create_task(write(runs[0]))
        async with asyncio.timeout(5):
            await asyncio.gather(*(asyncio.create_task(write(run)) for run in runs[1:]))
        assert not waiting.done()
    async with asyncio.timeout(5):
        await waiting


async def test_more_runs_write_than_there_are_connections(pool: AsyncConnectionPool[Any]) -> None:
    runs = [await aclaimed() for _ in range(12)]
    saver = RunSaver(pool)

    async def write(run: Run) -> None:
        owned_by(run)
        await write_all(saver, config_of(run))

    async with asyncio.timeout(10):
        await asyncio.gather(*(asyncio.create_task(write(run)) for run in runs))
    for run in runs:
        found = await rows(run.thread_id)
        assert {table: len(of_table) for table, of_table in found.items()} == {
            "checkpoints": 1,
            "checkpoint_blobs": 1,
            "checkpoint_writes": 2,
        }


async def test_a_connection_that_was_lost_loses_no_write(pool: AsyncConnectionPool[Any], run: Run) -> None:
    owned_by(run)
    saver, config = RunSaver(pool), config_of(run)
    await saver.aget_tuple(config)
    await sync_to_async(terminate_others)()
    await write_all(saver, config)
    await sync_to_async(terminate_others)()
    assert (await saver.aget_tuple(config)) is not None


def terminate_others() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE '%checkpoint%' AND pid <> pg_backend_pid()"
        )
