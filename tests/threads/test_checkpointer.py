from __future__ import annotations

import logging
import pickle
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import connection, connections, transaction
from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint
from pytest_django import Settings

from tests.runs.engine import asubmit, work_off
from tests.threads import graphs
from tests.threads.running import TABLES, count_rows, execute, human
from threads import checkpointer
from threads.checkpointer import DjangoSaver
from threads.models import Thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def thread() -> Thread:
    return Thread.objects.create()


@pytest.fixture
def name() -> Iterator[str]:
    """The id of a thread of its own, whose checkpoints are deleted in the end, wherever they were written."""
    name = str(uuid.uuid4())
    yield name
    checkpointer.delete([name])


def put(thread_id: str, value: Any) -> None:
    """A checkpoint that holds the value, written by somebody else."""
    checkpoint = {**empty_checkpoint(), "channel_values": {"it": value}, "channel_versions": {"it": "1"}}
    config = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    DjangoSaver().put(config, checkpoint, {"step": 0}, {"it": "1"})  # type: ignore[arg-type]


def get(thread_id: str) -> Any:
    """The value in the latest checkpoint."""
    found = DjangoSaver().get_tuple({"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}})
    assert isinstance(found, CheckpointTuple)
    return found.checkpoint["channel_values"]["it"]


# The tables


def test_migrating_makes_the_tables() -> None:
    assert {*TABLES, "checkpoint_migrations"} <= set(connection.introspection.table_names())


@pytest.mark.django_db(transaction=True)
def test_migrating_again_keeps_what_is_there(name: str) -> None:
    put(name, {"a": 1})
    call_command("migrate", verbosity=0)
    assert get(name) == {"a": 1}


# Its connection and its transaction


def test_it_uses_the_connection_of_the_request() -> None:
    assert DjangoSaver().conn is connection.connection


def test_what_is_rolled_back_was_never_written(name: str) -> None:
    with transaction.atomic():
        put(name, 1)
        transaction.set_rollback(True)
    assert count_rows(name)["checkpoints"] == 0


@pytest.mark.django_db(transaction=True)
def test_what_is_written_in_a_transaction_is_committed_with_it(name: str) -> None:
    with transaction.atomic():
        put(name, 1)
        assert connection.in_atomic_block
        assert not connection.get_autocommit()
    connection.close()
    assert get(name) == 1


def test_django_goes_on_as_before_on_the_same_connection(thread: Thread) -> None:
    execute(thread, "echo", human("hi"))
    assert Thread.objects.get(pk=thread.pk).metadata == {"graph_id": "echo"}
    assert connection.is_usable()


# What it reads


def test_large_and_odd_values_come_back(name: str) -> None:
    value = {"text": "x" * 100_000, "bytes": b"\x00\xff", "list": [1, "\x00"]}
    put(name, value)
    assert get(name) == value


def test_a_type_that_no_schema_names_is_not_made(name: str, caplog: pytest.LogCaptureFixture) -> None:
    put(name, graphs.Unlisted(text="u"))
    graphs.MADE.clear()
    with caplog.at_level(logging.WARNING):
        found = get(name)
    assert not isinstance(found, graphs.Unlisted)
    assert found["text"] == "u"
    assert graphs.MADE == []


def test_a_pickle_is_not_opened() -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return graphs.MADE.append, ("exploded",)

    graphs.MADE.clear()
    with pytest.raises(NotImplementedError):
        DjangoSaver().serde.loads_typed(("pickle", pickle.dumps(Bomb())))
    assert graphs.MADE == []


@pytest.mark.django_db(transaction=True)
async def test_a_run_goes_on_with_the_types_that_its_graph_stopped_with(settings: Settings) -> None:
    settings.SKEINO_GRAPHS = {"typed": graphs.typed}
    thread = (await asubmit("typed", input={})).thread
    await work_off()
    run = await asubmit("typed", thread=thread)
    await work_off()
    await run.arefresh_from_db()
    thread = await Thread.objects.aget(pk=thread.pk)
    await sync_to_async(checkpointer.delete)([str(thread.pk)])
    await sync_to_async(connections.close_all)()
    assert (run.status, run.error) == ("success", None)
    assert thread.values["point"] == {"x": 2, "y": 4}


# Deleting


def test_all_that_belongs_to_the_threads_is_deleted(thread: Thread) -> None:
    other, kept = Thread.objects.create(), Thread.objects.create()
    for each in (thread, other, kept):
        execute(each, "sub", {"text": "x"})
    checkpointer.delete([str(thread.pk), str(other.pk)])
    assert not any([*count_rows(thread.pk).values(), *count_rows(other.pk).values()])
    assert all(count_rows(kept.pk).values())


def test_deleting_none_deletes_none(name: str) -> None:
    put(name, 1)
    checkpointer.delete([])
    checkpointer.delete([str(uuid.uuid4())])
    assert get(name) == 1
