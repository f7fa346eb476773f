"""A replay goes in slices; one that breaks lets its orchestrator go."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from durable.engine.ledger import Ledger
from durable.errors import NonDeterminismError
from durable.runtime.programs import Programs
from durable.runtime.replaying import replay
from durable.runtime.settings import EngineSettings
from tests.hub_lab import Lab, in_virtual_time

closed: list[str] = []


def takes(context: Any) -> Generator[Any, Any, Any]:
    try:
        for _ in range(10):
            yield context.wait_for_external_event("go")
    finally:
        closed.append(context.instance_id)


def other(context: Any) -> Generator[Any, Any, Any]:
    try:
        yield context.call_activity("greet", 1)
    finally:
        closed.append(context.instance_id)


def asks(context: Any) -> Generator[Any, Any, Any]:
    yield context.call_activity("echo", 1)
    yield context.wait_for_external_event("go")


class Sleeps:
    """Counts how often the loop got its turn."""

    def __init__(self) -> None:
        self.count = 0

    async def sleep(self, seconds: float) -> None:
        self.count += 1


async def ledger_of(lab: Lab, name: str) -> Ledger:
    actor = await lab.actor()
    await lab.start(name)
    for number in range(3):
        await lab.raise_event("go", number)
    await actor.drain()
    return (await lab.history()).ledger


@pytest.mark.parametrize(("slice_rows", "turns"), [(1, 6), (2, 3), (4, 1), (6, 1), (7, 0)])
@in_virtual_time
async def test_the_loop_has_its_turn_after_each_slice(slice_rows: int, turns: int) -> None:
    lab = Lab(takes)
    ledger = await ledger_of(lab, "takes")
    assert len(ledger.rows) == 6
    clock: Any = Sleeps()
    programs = Programs(lab.registry, EngineSettings())
    live = await replay(ledger, programs, clock, slice_rows=slice_rows)
    assert clock.count == turns
    assert live.outcome is None
    live.close()


@in_virtual_time
async def test_one_that_breaks_is_closed() -> None:
    lab = Lab(asks)
    ledger = await ledger_of(lab, "asks")
    other.__name__ = "asks"  # other code under the same name
    programs = Programs(Lab(other).registry, EngineSettings())
    closed.clear()
    clock: Any = Sleeps()
    with pytest.raises(NonDeterminismError):
        await replay(ledger, programs, clock, slice_rows=500)
    assert closed == ["i1"]


@in_virtual_time
async def test_what_has_not_started_is_not_replayed() -> None:
    clock: Any = Sleeps()
    programs = Programs(Lab().registry, EngineSettings())
    with pytest.raises(AssertionError, match="only a started execution"):
        await replay(Ledger(), programs, clock, slice_rows=500)
