"""An instance that nothing can be done for costs little, ever less, and no other instance waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from typing import Any

import pytest

from durable.errors import CorruptRecord, EngineBug, NonDeterminismError, Unavailable
from durable.model.status import RuntimeStatus
from durable.runtime.delivery import InstanceUnusable
from durable.runtime.troubles import Troubles, blaming_the_instance
from durable.storage.values import Operation, Write
from tests.hub_lab import Actor, Lab, in_virtual_time
from tests.manual_clock import ManualClock
from tests.unit.runtime.fast_lab import BATCH

OTHERS = 100
EVENTS = 20
BAD = "bad"


def listens(context: Any) -> Generator[Any, Any, Any]:
    """Takes an event and calls an activity; `breaks` of `Broken` decides what happens then."""
    told = yield context.wait_for_external_event("go")
    if context.instance_id == BAD and Broken.breaks:
        raise MemoryError  # what befalls the process, not the instance: its turn never ends well
    return (yield context.call_activity("greet", told))


class Broken:
    breaks = False


async def corrupt(lab: Lab, actor: Actor) -> None:
    """A row of its history can't be understood."""
    table = lab.hub.names.history_table
    row = await lab.account.tables.read(table, BAD, "0000000000000001")
    assert row is not None
    row = replace(row, columns={"EventType": "Rubbish"}, timestamp=None)
    await lab.account.tables.write(table, Operation(write=Write.MERGE, row=row))
    actor.engine.sessions.clear()


async def incomplete(lab: Lab, actor: Actor) -> None:
    """A row of its history is gone."""
    table = lab.hub.names.history_table
    row = await lab.account.tables.read(table, BAD, "0000000000000001")
    assert row is not None
    await lab.account.tables.write(
        table, Operation(write=Write.DELETE, row=replace(row, columns={}, timestamp=None))
    )
    actor.engine.sessions.clear()


async def breaking(lab: Lab, actor: Actor) -> None:
    """Its turns raise what is nobody's outcome."""
    Broken.breaks = True


async def losing(lab: Lab, actor: Actor) -> None:
    """Somebody else commits first, always."""
    stamps = iter(range(10**6))

    async def overtake(number: int, operation: str, resource: str) -> None:
        if operation == BATCH and actor.batches[-1][0].row.partition_key == BAD:
            await lab.merge_sentinel(BAD, SentBy=str(next(stamps)))

    actor.before = overtake


@pytest.fixture(autouse=True)
def whole() -> None:
    Broken.breaks = False


async def serve(lab: Lab, actor: Actor, seconds: float) -> int:
    """Deliver what comes for so long; how many requests it were, those for messages apart."""
    before, end = len(actor.calls), lab.clock.monotonic() + seconds
    while lab.clock.monotonic() < end:
        await actor.deliver()
        await lab.clock.sleep(1.0)
    return len(actor.calls) - before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("break_it", "first", "at_last"),
    [
        # 2 reads an attempt, and 20 copies; some 7 attempts in the first minute, then 1 a minute.
        (corrupt, 7 * (2 + EVENTS), 3 * (2 + EVENTS)),
        # Each attempt waits for the row to come: 60 reads in 3 seconds.
        (incomplete, 7 * (62 + EVENTS), 3 * (62 + EVENTS)),
        # Any of the messages may be to blame, so each is tried alone: 2 reads, and its copy.
        (breaking, 7 * 3 * (EVENTS + 1), 3 * 3 * (EVENTS + 1)),
        # 60 commits, each with a read before and after; later 8.
        (losing, 60 * 5 + 7 * (8 * 5 + EVENTS), 3 * (8 * 5 + EVENTS)),
    ],
)
def test_others_on_its_queue_go_on_and_it_is_tried_ever_more_rarely(
    break_it: Callable[[Lab, Actor], Awaitable[None]], first: int, at_last: int
) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = Lab(listens)
        actor = await lab.actor()
        ids = [f"i{number}" for number in range(OTHERS)]
        for each in (*ids, BAD):
            await lab.start("listens", instance_id=each)
        await actor.drain()
        await break_it(lab, actor)
        for number in range(EVENTS):
            await lab.raise_event("go", number, instance_id=BAD)
        for each in ids:
            await lab.raise_event("go", each, instance_id=each)
        began = lab.clock.monotonic()
        while [each for each in ids if (await lab.row(each)).completed_time is None]:
            await actor.deliver()
        # Not even the reads that waited for a lost row held anybody up.
        assert lab.clock.monotonic() - began < 10
        assert len(await lab.queued()) == EVENTS
        spent = await serve(lab, actor, 60)
        assert 0 < spent <= first
        await serve(lab, actor, 60)
        assert await serve(lab, actor, 60) <= at_last
        row = await lab.row(BAD)
        assert row.status is RuntimeStatus.RUNNING

    test()


@pytest.mark.parametrize("break_it", [corrupt, breaking])
def test_what_it_can_t_be_told_is_in_quarantine_at_last(
    break_it: Callable[[Lab, Actor], Awaitable[None]],
) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = Lab(listens)
        actor = await lab.actor()
        await lab.start("listens", instance_id=BAD)
        await actor.drain()
        await break_it(lab, actor)
        for number in range(3):
            await lab.raise_event("go", number, instance_id=BAD)
        # 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60 seconds.
        await serve(lab, actor, 243 + 15)
        assert await lab.empty()
        assert len(await lab.quarantined()) == 3

    test()


@in_virtual_time
async def test_once_it_is_well_its_messages_are_dealt_with_at_once() -> None:
    lab = Lab(listens)
    actor = await lab.actor()
    await lab.start("listens", instance_id=BAD)
    await actor.drain()
    await losing(lab, actor)
    await lab.raise_event("go", 1, instance_id=BAD)
    await serve(lab, actor, 5)
    actor.before = None
    began = lab.clock.monotonic()
    await actor.drain()
    assert (await lab.row(BAD)).status is RuntimeStatus.COMPLETED
    # It was left alone for 1, 2 and 4 s, and no pause begins anew.
    assert lab.clock.monotonic() - began < 6
    assert actor.engine._orchestrations.troubles.left(BAD) == 0
    assert actor.engine._orchestrations.troubles.tries(BAD) == 60


@in_virtual_time
async def test_a_look_at_it_tells_what_is_wrong() -> None:
    lab = Lab(listens)
    actor = await lab.actor()
    await lab.start("listens", instance_id=BAD)
    await actor.drain()
    await corrupt(lab, actor)
    with pytest.raises(CorruptRecord):
        await actor.engine._mailboxes.look(BAD)
    assert actor.engine._orchestrations.troubles.left(BAD) == 1


def test_pauses_double_up_to_a_minute() -> None:
    clock = ManualClock()
    troubles = Troubles(clock)
    assert troubles.left("i1") == 0
    pauses = []
    for _ in range(8):
        pauses.append(troubles.note("i1"))
        clock.advance(pauses[-1])
        assert troubles.left("i1") == 0
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert troubles.tries("i1") == 8
    assert troubles.tries("i2") == 60
    troubles.forget("i1")
    assert troubles.note("i1") == 1


def test_only_what_nobody_else_is_to_blame_for_is_the_instance_s() -> None:
    with pytest.raises(InstanceUnusable) as caught, blaming_the_instance():
        raise EngineBug("ours")
    assert isinstance(caught.value.error, EngineBug)
    for other in (Unavailable("away"), NonDeterminismError("theirs")):
        with pytest.raises(type(other)), blaming_the_instance():
            raise other
