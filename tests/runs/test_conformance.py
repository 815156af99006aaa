"""A worker's checkpointer does what LangGraph asks of every checkpointer: its own suite says so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability

from runs import worker
from runs.checkpoints import Owner, RunSaver, owner
from tests.runs.engine import aclaimed

pytestmark = pytest.mark.usefixtures("engine")


@checkpointer_test(name="RunSaver")
async def saver() -> AsyncIterator[RunSaver]:
    async with worker.opened() as opened:
        yield opened.checkpointer


@pytest.mark.parametrize("capability", list(Capability), ids=lambda capability: capability.value)
async def test_it_conforms(capability: Capability) -> None:
    run = await aclaimed()
    owner.set(Owner(run.pk, run.attempt, heed=lambda action: None, lost=lambda: None))
    report = await validate(saver, capabilities={capability.value})
    result = report.results[capability.value]
    assert not result.failures
    assert result.tests_passed or not result.detected
