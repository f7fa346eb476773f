"""W8, W20: two workers on one queue, and a hub whose number of queues changes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from durable.errors import BadConfig
from durable.hub.partitions import as_recorded
from durable.hub.raising import raise_event
from durable.hub.taskhub import TaskHub
from durable.model.events import TaskCompleted, TaskScheduled
from durable.model.status import RuntimeStatus
from tests.hub_lab import LEASE_SECONDS, Actor, Lab, in_virtual_time
from tests.reliability.stories import collect, raised, steps
from tests.simulation.partition_fleet import Fleet


@in_virtual_time
async def test_w08_a_worker_that_storage_does_not_answer_stops_reading_in_time() -> None:
    """It is cut off for a minute: others take its queues, and never do two read one."""
    async with Fleet(4) as fleet:  # notes at every moment whether a queue has two readers
        fleet.start("w0", skew=-3.0)
        fleet.start("w1", skew=3.0)
        await fleet.even_within(30)
        fleet.cut_off("w0")
        await fleet.even_within(45, stays=2)
        assert fleet.workers["w0"].owned == frozenset()
        fleet.reconnect("w0")
        await fleet.even_within(30, stays=2)


@in_virtual_time
async def test_w08_two_that_read_one_queue_all_the_same_decide_everything_once() -> None:
    """Both get messages of one instance at once: the loser of a turn has sent nothing."""
    lab = Lab(steps, collect)
    one, other = await lab.actor(), await lab.actor()
    await lab.start("steps", 4)
    await lab.start("collect", instance_id="i2")
    for number in range(8):
        await lab.raise_event("E", number, instance_id="i2")
        await _shared(lab, one, other)
    await lab.raise_event("E", "end", instance_id="i2")
    while not await lab.empty():
        await _shared(lab, one, other)
        await lab.clock.sleep(0.5)
    assert (await lab.row("i2")).status is RuntimeStatus.COMPLETED
    assert sorted(await lab.output("i2")) == list(range(8))
    assert sorted(raised(await lab.events("i2")), key=str) == [*range(8), "end"]
    assert lab.counts == {f"greet:{n}": 1 for n in range(4)}
    for kind in (TaskScheduled, TaskCompleted):
        assert sum(isinstance(each, kind) for each in await lab.events()) == 4


async def _shared(lab: Lab, *actors: Actor) -> None:
    """What is visible, to each in turn, at the same time."""
    names = lab.hub.names
    async with asyncio.TaskGroup() as group:
        for queue in (*names.control_queues, names.work_items):
            found = await lab.account.queues.get(queue, count=32, lease_seconds=LEASE_SECONDS)
            for number, message in enumerate(found):
                group.create_task(actors[number % len(actors)].process(queue, message))


def _with_partitions(lab: Lab, count: int) -> None:
    """The app is deployed anew with another `partitionCount`."""
    lab.settings = replace(lab.settings, partition_count=count)
    lab.hub = TaskHub(lab.account, lab.settings, lab.clock)


@pytest.mark.parametrize(("before", "after"), [(4, 2), (2, 4), (4, 1)])
@in_virtual_time
async def test_w20_another_number_of_queues_loses_nothing_and_doubles_nothing(
    before: int, after: int
) -> None:
    """Instances in the middle of their work, messages in all queues; old processes live on."""
    lab = Lab(collect, partition_count=before)
    old = await lab.actor()
    ids = [f"i{n}" for n in range(12)]
    for each in ids:
        await lab.start("collect", instance_id=each)
        await old.deliver()
        await lab.raise_event("E", "old", instance_id=each)
    _with_partitions(lab, after)
    new = await lab.actor()
    for each in ids:
        await lab.raise_event("E", "new", instance_id=each)
    # Both at once: what is left in the old queues comes from there, what is new from the others.
    for actor in (new, old):
        await actor.deliver()
    for each in ids[:6]:  # an old client, which knows the hub as it was
        await raise_event(old.hub, each, "E", json.dumps("late"))
    for _ in range(2):
        await new.sweep()
        await new.deliver()
    for each in ids:
        await lab.raise_event("E", "end", instance_id=each)
    await new.deliver()
    for each in ids:
        expected = ["late", "new", "old"] if each in ids[:6] else ["new", "old"]
        assert sorted(await lab.output(each)) == expected
    queues = (*lab.hub.names.control_queues, *old.hub.names.control_queues)
    assert sum([await lab.account.queues.count(queue) for queue in queues]) == 0


@in_virtual_time
async def test_w20_who_insists_on_another_number_is_refused() -> None:
    """A worker and a client that name it; clients that don't take the hub as it was made."""
    lab = Lab(collect, partition_count=4)
    await lab.actor()
    _with_partitions(lab, 2)
    with pytest.raises(BadConfig, match="can't be changed"):
        await as_recorded(lab.hub, insist=True)
    assert (await as_recorded(lab.hub, insist=False)).settings.partition_count == 4
