"""Queues that the hub's settings don't name any more: what lies there is sent on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from durable.hub.ownership import OwnershipTable
from durable.hub.raising import raise_event
from durable.hub.taskhub import TaskHub
from durable.runtime import stranded
from durable.runtime.stranded import Stranded
from durable.wire.keys import partition_of
from tests.hub_lab import Actor, Crash, Lab, in_virtual_time, once

#: An instance whose queue is the last of four.
FAR = next(f"i{n}" for n in range(100) if partition_of(f"i{n}", 4) == 3)
LARGE = "x" * 50_000


def collect(context: Any) -> Any:
    got: list[Any] = []
    while True:
        event = yield context.wait_for_external_event("E")
        if event == "end":
            return got
        got.append(event)


class Shrunk:
    """A hub made with four queues, then served with one."""

    def __init__(self) -> None:
        self.lab = Lab(collect, partition_count=4)
        self.made = self.lab.hub
        self.far = self.made.names.control_queues[3]

    async def begin(self) -> Actor:
        await self.made.ensure()
        self.lab.settings = replace(self.lab.settings, partition_count=1)
        self.lab.hub = TaskHub(self.lab.account, self.lab.settings, self.lab.clock)
        return await self.lab.actor()

    async def tell(self, value: Any) -> None:
        """A client that knows the hub as it was made."""
        await raise_event(self.made, FAR, "E", json.dumps(value))

    async def listed(self) -> list[str]:
        return await self.lab.account.queues.list_queues("lab-")


@in_virtual_time
async def test_messages_come_to_the_queue_that_is_read_under_their_identity() -> None:
    hub = Shrunk()
    actor = await hub.begin()
    await hub.lab.start("collect", instance_id=FAR)
    await hub.tell("small")
    await hub.tell(LARGE)
    unnamed = hub.lab.raised("E", "dotnet's")
    await hub.lab.put(
        replace(unnamed, target=replace(unnamed.target, instance_id=FAR)), queue=hub.far
    )
    [raw] = [m for m in await hub.lab.account.queues.peek(hub.far) if "dotnet" in m.text]
    assert await Stranded(actor.hub).send_on(await hub.listed()) == 3
    assert await hub.lab.queued(hub.far) == []
    moved = {m.extras.identity for m, _ in await hub.lab.queued() if m.extras.identity}
    assert f"q:{raw.id}" in moved
    await actor.deliver()
    await hub.lab.raise_event("E", "end", instance_id=FAR)
    await actor.drain()
    assert sorted(await hub.lab.output(FAR)) == sorted(["small", LARGE, "dotnet's"])


@in_virtual_time
async def test_moved_twice_a_message_takes_effect_once() -> None:
    """The process dies between the copy and the deletion."""
    hub = Shrunk()
    actor = await hub.begin()
    await hub.lab.start("collect", instance_id=FAR)
    await actor.deliver()
    await hub.tell("once")

    async def die() -> None:
        actor.crash()

    actor.before = once(die, "Delete Message")
    with pytest.raises(Crash):
        await Stranded(actor.hub).send_on(await hub.listed())
    actor = await hub.lab.actor()
    await hub.lab.clock.sleep(61)
    assert await Stranded(actor.hub).send_on(await hub.listed()) == 1
    await actor.drain()
    await hub.lab.raise_event("E", "end", instance_id=FAR)
    await actor.drain()
    assert await hub.lab.output(FAR) == ["once"]


@in_virtual_time
async def test_what_a_worker_owns_is_left_to_it() -> None:
    """.NET, or another worker, knows the hub as it was made; until its lease has ended."""
    hub = Shrunk()
    actor = await hub.begin()
    await hub.tell(1)
    table = OwnershipTable(hub.made)
    lease = (await table.read()).leases[3]
    now = hub.lab.clock.now()
    lease = replace(lease, current_owner="net", expires_at=now + timedelta(seconds=30))
    await table.write([lease])
    assert await Stranded(actor.hub).send_on(await hub.listed()) == 0
    await hub.lab.clock.sleep(31)
    assert await Stranded(actor.hub).send_on(await hub.listed()) == 1


@in_virtual_time
async def test_poison_queues_and_what_cannot_be_read_are_moved_too() -> None:
    hub = Shrunk()
    actor = await hub.begin()
    poison = hub.made.names.poison_queue(hub.far)
    await hub.lab.account.queues.create_queue(poison)
    await hub.lab.account.queues.put(poison, "no message at all")
    assert await Stranded(actor.hub).send_on(await hub.listed()) == 1
    assert [m.text for m in await hub.lab.account.queues.peek(hub.lab.queue)] == [
        "no message at all"
    ]


@in_virtual_time
async def test_nothing_is_asked_while_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Shrunk()
    actor = await hub.begin()
    calls = len(actor.calls)
    assert await Stranded(actor.hub).send_on([hub.lab.queue, "lab-control-x"]) == 0
    assert len(actor.calls) == calls
    # And a pass is bounded.
    monkeypatch.setattr(stranded, "_MOST", 32)
    for number in range(40):
        await hub.tell(number)
    assert await Stranded(actor.hub).send_on(await hub.listed()) == 32


@in_virtual_time
async def test_what_others_delete_meanwhile_is_no_trouble() -> None:
    hub = Shrunk()
    actor = await hub.begin()
    await hub.tell(1)
    listed = await hub.listed()

    async def other() -> None:
        hub.lab.account._queues._state.queues[hub.far].clear()

    actor.before = once(other, "Delete Message")
    assert await Stranded(actor.hub).send_on(listed) == 1
    await hub.lab.account.queues.delete_queue(hub.far)
    await hub.lab.account.tables.delete_table(hub.lab.hub.names.partitions_table)
    assert await Stranded(actor.hub).send_on(listed) == 0
