"""A start that is delivered for the first time: the row is read, and nothing else."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from durable.hub.purging import purge_instance
from durable.model.events import EventRaised, ExecutionStarted
from durable.model.messages import Extras
from durable.model.status import RuntimeStatus
from tests.hub_lab import Actor, Crash, crash_at, in_virtual_time
from tests.unit.runtime.fast_lab import (
    BATCH,
    INSERT,
    MERGE,
    READ,
    READ_ROW,
    FastLab,
    how_many,
    operations,
)

Steps = Generator[Any, Any, Any]


def greets(context: Any) -> Steps:
    return (yield context.call_activity("greet", "you"))


def waits(context: Any) -> Steps:
    return (yield context.wait_for_external_event("E"))


def parent(context: Any) -> Steps:
    return (yield context.call_sub_orchestrator("greets", None, "child"))


async def died_after(lab: FastLab, call: int) -> Actor:
    """A process that died after its call of that number; the start is not deleted."""
    actor = await lab.actor()
    crash_at(actor, call, before=False)
    with pytest.raises(Crash):
        await actor.deliver()
    return actor


@in_virtual_time
async def test_a_new_instance_is_read_by_its_row_alone() -> None:
    lab = FastLab(greets)
    actor = await lab.actor()
    assert await lab.requests(actor, "greets") == [READ_ROW, BATCH, BATCH, MERGE]


@in_virtual_time
async def test_a_new_child_has_no_row_yet() -> None:
    lab = FastLab(parent, greets)
    actor = await lab.actor()
    await lab.start("parent")
    await actor.deliver()
    assert how_many(actor)[READ] == 0
    assert how_many(actor)[INSERT] == 1
    assert await lab.output() == "Hello you!"


@in_virtual_time
async def test_what_arrives_with_the_start_enters_its_first_turn() -> None:
    lab = FastLab(waits)
    actor = await lab.actor()
    await lab.start("waits")
    await lab.raise_event("E", 1)
    await actor.deliver()
    assert operations(actor) == [READ_ROW, BATCH, MERGE]
    assert await lab.output() == 1


@in_virtual_time
async def test_a_second_delivery_reads_everything() -> None:
    lab = FastLab(greets)
    await lab.start("greets")
    await died_after(lab, 0)
    second = await lab.actor()
    await second.drain()
    assert operations(second)[:2] in ([READ_ROW, READ], [READ, READ_ROW])
    assert await lab.output() == "Hello you!"


@pytest.mark.parametrize(
    "change",
    [
        lambda message: replace(message, extras=replace(message.extras, failures=1)),
        lambda message: replace(message, extras=Extras()),
    ],
    ids=["after a failure", "of another's making"],
)
def test_a_start_that_is_no_first_delivery_of_ours_reads_everything(change: Any) -> None:
    @in_virtual_time
    async def run() -> None:
        lab = FastLab(greets)
        actor = await lab.actor()
        await lab.start("greets")
        [(start, _)] = await lab.queued()
        [raw] = await lab.account.queues.get(lab.queue, count=1, lease_seconds=60)
        await lab.account.queues.delete(lab.queue, raw.id, raw.pop_receipt)
        await lab.put(change(start))
        await actor.drain()
        assert how_many(actor)[READ] == 1
        assert await lab.output() == "Hello you!"

    run()


@in_virtual_time
async def test_a_start_whose_history_is_there_after_all_is_refused_and_goes_on_from_it() -> None:
    lab = FastLab(greets)
    await lab.start("greets")
    [(start, _)] = await lab.queued()
    await died_after(lab, 1)  # the first checkpoint is there; the row doesn't say so
    second = await lab.actor()
    await lab.put(start)  # a copy, delivered for the first time
    await second.deliver()
    assert operations(second)[:2] == [READ_ROW, BATCH]
    assert how_many(second)[READ] >= 1
    await second.drain()
    assert await lab.output() == "Hello you!"
    begun = [each for each in await lab.events() if isinstance(each, ExecutionStarted)]
    assert len(begun) == 1


@in_virtual_time
async def test_an_event_beside_such_a_start_is_applied_once() -> None:
    lab = FastLab(waits)
    await lab.start("waits")
    [(start, _)] = await lab.queued()
    await died_after(lab, 1)
    second = await lab.actor()
    await lab.put(start)
    await lab.raise_event("E", "once")
    await second.drain()
    assert await lab.output() == "once"
    events = [each for each in await lab.events() if isinstance(each, EventRaised)]
    assert len(events) == 1


@in_virtual_time
async def test_a_start_of_what_was_purged_meanwhile_is_dropped() -> None:
    lab = FastLab(greets)
    actor = await lab.actor()
    await lab.start("greets")
    [(start, _)] = await lab.queued()
    row = await lab.row()
    await actor.deliver()
    assert await purge_instance(lab.hub, "i1")
    await lab.hub.instances.insert(row)  # the row as somebody saw it before
    await lab.put(start)
    actor.calls.clear()
    await actor.drain()
    assert operations(actor)[:2] == [READ_ROW, BATCH]
    assert lab.counts == {"greet:you": 1}
    assert (await lab.history()).ledger.rows == []


@in_virtual_time
async def test_a_duplicate_of_what_has_ended_needs_no_commit_to_be_dropped() -> None:
    lab = FastLab(greets)
    actor = await lab.actor()
    await lab.start("greets")
    [(start, _)] = await lab.queued()
    await actor.deliver()
    actor.calls.clear()
    await lab.put(start)
    await actor.drain()
    assert how_many(actor) == {READ_ROW: 2, READ: 1}
    assert (await lab.row()).status is RuntimeStatus.COMPLETED


@in_virtual_time
async def test_a_start_over_an_older_instance_reads_everything() -> None:
    lab = FastLab(greets)
    actor = await lab.actor()
    await lab.start("greets")
    await actor.deliver()
    await lab.start("greets")
    actor.calls.clear()
    await actor.drain()
    assert how_many(actor)[READ] == 1
    assert lab.counts == {"greet:you": 2}
    assert await lab.output() == "Hello you!"


@in_virtual_time
async def test_without_the_fast_path_everything_is_read() -> None:
    lab = FastLab(greets)
    lab.engine_settings = replace(lab.engine_settings, fast_path=False)
    actor = await lab.actor()
    await lab.start("greets")
    await actor.deliver()
    assert how_many(actor)[READ] == 1
