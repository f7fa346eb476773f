"""Chains that lose a race, their storage, or their process."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest

from durable.authoring.definitions import EntityDefinition
from durable.errors import Unavailable
from durable.model.ids import EntityId
from durable.model.status import RuntimeStatus
from tests.hub_lab import LEASE_SECONDS, Crash, crash_at, in_virtual_time, once
from tests.simulation.simloop import run_simulation
from tests.unit.runtime.fast_lab import (
    BATCH,
    DELETE,
    MERGE,
    PUT,
    READ_ROW,
    RENEW,
    FastLab,
    operations,
)

Steps = Generator[Any, Any, Any]


def sequence(context: Any) -> Steps:
    got: list[Any] = []
    while len(got) < context.get_input():
        got.append((yield context.call_activity("greet", len(got))))
    return got


def slowly(context: Any) -> Steps:
    """As many activities as the input is long, each as slow as it says."""
    calls = [context.call_activity("slow", seconds) for seconds in context.get_input()]
    return (yield context.task_all(calls))


def one_after_the_other(context: Any) -> Steps:
    for seconds in context.get_input():
        yield context.call_activity("slow", seconds)


@in_virtual_time
async def test_d_a_race_that_is_lost_in_the_middle_loses_no_result() -> None:
    lab = FastLab(sequence)
    actor = await lab.actor()
    await lab.start("sequence", 3)

    async def strike(number: int, operation: str, resource: str) -> None:
        if operation == BATCH and operations(actor).count(BATCH) == 2:
            await lab.merge_sentinel(SentBy="somebody")

    actor.before = strike
    await actor.deliver()
    await actor.drain()
    assert await lab.output() == ["Hello 0!", "Hello 1!", "Hello 2!"]
    assert lab.counts["greet:1"] == lab.counts["greet:2"] == 1


@in_virtual_time
async def test_a_row_that_changed_under_a_chain_is_written_from_a_fresh_look() -> None:
    lab = FastLab(sequence)
    actor = await lab.actor()
    await lab.start("sequence", 2)
    actor.before = once(lambda: lab.merge_row(Version="other"), MERGE)
    await actor.deliver()
    await actor.drain()
    assert await lab.output() == ["Hello 0!", "Hello 1!"]
    assert sum(lab.counts.values()) == 2


@in_virtual_time
async def test_a_row_that_is_gone_under_a_chain_is_a_lost_race() -> None:
    lab = FastLab(slowly)
    actor = await lab.actor()
    await lab.start("slowly", [1])

    async def vanish() -> None:
        await lab.hub.instances.delete(await lab.row())

    actor.before = once(vanish, MERGE)
    await actor.deliver()
    await actor.drain()
    assert await lab.output() == [1]


@pytest.mark.parametrize("operation", [READ_ROW, BATCH, MERGE, PUT, DELETE, RENEW])
@pytest.mark.parametrize("seconds", [0.05, 0.3, 3])
def test_trouble_of_storage_in_the_middle_of_a_chain_loses_nothing(
    operation: str, seconds: float
) -> None:
    @in_virtual_time
    async def run() -> None:
        lab = FastLab(one_after_the_other, own_lease_seconds=2)
        actor = await lab.actor()
        await lab.start("one_after_the_other", [0.1, 0.1, 3])
        async with lab.delivering(actor):
            await lab.clock.sleep(seconds)
            actor.failing[operation] = Unavailable("away")
            await lab.clock.sleep(6)
            actor.failing.clear()
        await actor.drain(seconds=3 * LEASE_SECONDS)
        assert (await lab.row()).status is RuntimeStatus.COMPLETED
        assert json.loads((await lab.row()).output or "null") is None

    run()


def crowded_life(context: Any) -> Steps:
    """All that a chain has to do with: quick, slow, a child, an entity."""
    first = yield context.call_activity("greet", 0)
    slow = context.call_activity("slow", 0.8)
    child = yield context.call_sub_orchestrator("sequence", 2, "child")
    count = yield context.call_entity(EntityId("counter", "a"), "add", 3)
    return [first, child, count, (yield slow)]


async def counter(context: Any) -> None:
    """Adds."""
    context.set_state(context.get_state(lambda: 0) + context.get_input())
    context.set_result(context.get_state())


EXPECTED = ["Hello 0!", ["Hello 0!", "Hello 1!"], 3, 0.8]


def whole_lab() -> FastLab:
    lab = FastLab(crowded_life, sequence)
    lab.registry.add_entity(
        EntityDefinition(name="counter", function=counter, context_name="context")
    )
    return lab


async def _calls() -> int:
    """How many storage calls the whole takes."""
    lab = whole_lab()
    actor = await lab.actor()
    await lab.start("crowded_life")
    await actor.drain()
    assert await lab.output() == EXPECTED
    return len(actor.calls)


async def _crash_at(number: int, *, before: bool) -> None:
    lab = whole_lab()
    first, second = await lab.actor(), await lab.actor()
    await lab.start("crowded_life")
    crash_at(first, number, before=before)
    with pytest.raises(Crash):
        await first.drain()
    end = lab.clock.monotonic() + LEASE_SECONDS + 60
    while not await lab.empty():
        assert lab.clock.monotonic() < end, number
        if not await second.deliver():
            await lab.clock.sleep(20)
    assert await lab.output() == EXPECTED, number
    assert await lab.output("child") == EXPECTED[1], number
    assert (await lab.row("@counter@a")).checkpoint_sequence, number


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_crash_at_any_call_of_a_chain_loses_nothing_and_leaves_nothing_stuck(
    before: bool,
) -> None:
    calls = run_simulation(_calls())
    assert calls > 15
    for number in range(calls):
        run_simulation(_crash_at(number, before=before))
