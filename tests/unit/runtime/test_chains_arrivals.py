"""What arrives while an activity runs in place."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from durable.hub.raising import resume, suspend, terminate
from durable.model.events import EventRaised, ExecutionSuspended, TaskCompleted
from durable.model.status import RuntimeStatus
from tests.hub_lab import in_virtual_time
from tests.unit.runtime.fast_lab import (
    BATCH,
    MERGE,
    READ_ROW,
    FastLab,
    operations,
)

Steps = Generator[Any, Any, Any]


def slowly(context: Any) -> Steps:
    """As many activities as the input is long, each as slow as it says."""
    calls = [context.call_activity("slow", seconds) for seconds in context.get_input()]
    return (yield context.task_all(calls))


def attentive(context: Any) -> Steps:
    """An event beside an activity."""
    slow = context.call_activity("slow", context.get_input())
    event = context.wait_for_external_event("E")
    first = yield context.task_any([slow, event])
    if first is event:
        yield context.call_activity("echo", event.result)
    return [first is event, (yield slow)]


@in_virtual_time
async def test_an_event_enters_the_next_turn_at_once() -> None:
    lab = FastLab(attentive)
    actor = await lab.actor()
    await lab.start("attentive", 0.4)
    async with lab.delivering(actor):
        await lab.clock.sleep(0.1)
        await lab.raise_event("E", "news")
        async with lab.delivering(actor):
            await lab.clock.sleep(0.1)
            assert lab.counts["echo"] == 1
            assert any(isinstance(each, EventRaised) for each in await lab.events())
            assert (await lab.row()).status is RuntimeStatus.PENDING  # not shown yet
    assert await lab.output() == [True, 0.4]
    assert operations(actor) == [READ_ROW, *[BATCH] * 4, MERGE]
    assert await lab.empty()


@in_virtual_time
async def test_a_termination_ends_it_at_once() -> None:
    lab = FastLab(slowly)
    actor = await lab.actor()
    await lab.start("slowly", [0.4])
    async with lab.delivering(actor):
        await lab.clock.sleep(0.1)
        await terminate(lab.hub, "i1", "enough")
        async with lab.delivering(actor):
            await lab.clock.sleep(0.1)
            assert (await lab.row()).status is RuntimeStatus.TERMINATED
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.TERMINATED
    assert not any(isinstance(each, TaskCompleted) for each in await lab.events())
    assert lab.counts == {"slow:0.4": 1}


@in_virtual_time
async def test_a_suspension_is_recorded_at_once_and_the_result_waits_for_the_end_of_it() -> None:
    lab = FastLab(slowly)
    actor = await lab.actor()
    await lab.start("slowly", [0.4])
    async with lab.delivering(actor):
        await lab.clock.sleep(0.1)
        await suspend(lab.hub, "i1", "wait")
        async with lab.delivering(actor):
            await lab.clock.sleep(0.1)
            assert any(isinstance(each, ExecutionSuspended) for each in await lab.events())
    assert (await lab.row()).status is RuntimeStatus.SUSPENDED
    assert any(isinstance(each, TaskCompleted) for each in await lab.events())
    await resume(lab.hub, "i1", "go on")
    await actor.drain()
    assert await lab.output() == [0.4]


@in_virtual_time
async def test_what_is_of_no_use_is_dropped_and_the_chain_goes_on() -> None:
    lab = FastLab(slowly)
    actor = await lab.actor()
    await lab.start("slowly", [0.4])
    async with lab.delivering(actor):
        await lab.clock.sleep(0.1)
        for _ in range(2):
            await lab.put(lab.raised("E", "twice", identity="one"))
        async with lab.delivering(actor):
            pass
    assert operations(actor) == [READ_ROW, *[BATCH] * 3, MERGE]
    assert await lab.output() == [0.4]
    assert await lab.empty()


@in_virtual_time
async def test_a_second_start_flushes_and_finds_itself_a_duplicate() -> None:
    lab = FastLab(slowly)
    actor = await lab.actor()
    await lab.start("slowly", [0.4])
    [(start, _)] = await lab.queued()
    async with lab.delivering(actor):
        await lab.clock.sleep(0.1)
        await lab.put(start)
        async with lab.delivering(actor):
            await lab.clock.sleep(0.1)
            assert (await lab.row()).status is RuntimeStatus.RUNNING
    await actor.drain()
    assert await lab.output() == [0.4]
    assert lab.counts == {"slow:0.4": 1}
