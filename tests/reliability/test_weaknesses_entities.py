"""W10, W18, W19: entities that can't be asked, are cleaned away while told, or stay locked."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest

from durable.client import Client, OrchestrationRuntimeStatus
from durable.errors import InstanceError
from durable.hub.purging import purge_instance
from durable.hub.raising import suspend
from durable.model.events import EventRaised, EventSent
from durable.model.messages import Extras
from durable.model.status import RuntimeStatus
from tests.hub_lab import Actor, in_virtual_time
from tests.reliability.stories import COUNTER, ENTITY, EntityLab, locking, napping

_MEMBERS = {
    "op": "add",
    "signal": True,
    "input": '{"id":"another","parent":{"id":1}}',
    "id": "request-1",
    "Timestamp": "0001-01-01T00:00:00",
    "extra": {"id": {"id": ["x"]}, "op": 7},
}


@in_virtual_time
async def test_w10_a_request_is_understood_whatever_the_order_of_its_members() -> None:
    """And whatever else is in it; there the text before "id" may hold no object."""
    lab = EntityLab()
    actor = await lab.actor()
    for number, order in enumerate(itertools.permutations(_MEMBERS, 3)):
        names = [*order, *(name for name in _MEMBERS if name not in order)]
        request = {name: _MEMBERS[name] for name in names} | {"input": "1"}
        event = EventRaised(timestamp=lab.clock.now(), name="op", input=json.dumps(request))
        extras = Extras(mark=True, identity=f"c:{number}")
        await lab.put(lab.event(event, instance_id=ENTITY, extras=extras))
    await actor.drain()
    assert await lab.value() == number + 1
    assert await lab.quarantined() == []


@in_virtual_time
async def test_w10_what_we_write_has_its_id_where_dotnet_looks_for_it() -> None:
    """Only scalars before it, in the original's order."""
    lab = EntityLab(locking)
    actor = await lab.actor()
    await lab.start("locking")
    await actor.drain()
    await lab.raise_event("E", 1)
    await actor.drain()
    sent = [e for e in await lab.events() if isinstance(e, EventSent) and e.name == "op"]
    assert len(sent) == 2  # the lock and the call
    for each in sent:
        members = list(json.loads(each.input or ""))
        before = members[: members.index("id")]
        assert before == [name for name in ("op", "signal", "input") if name in before]


@in_virtual_time
async def test_w18_a_signal_that_meets_the_cleaning_is_not_lost() -> None:
    """It comes before each call that the cleaning makes, in turn."""
    for number in itertools.count():
        lab = EntityLab()
        actor, cleaner = await lab.actor(), await lab.actor()
        await lab.put(lab.add(1))
        await actor.drain()
        await Client(lab.hub).signal_entity(COUNTER, "delete")
        await actor.drain()
        assert await lab.value() is None
        await lab.clock.sleep(3600)  # it has nothing to remember any more
        met = await _cleaned_while_told(lab, actor, cleaner, number)
        await actor.drain()
        if not met:
            assert number > 5  # as many calls as the cleaning makes
            return
        assert await lab.value() == 5, f"told before call {number}"


async def _cleaned_while_told(lab: EntityLab, actor: Actor, cleaner: Actor, number: int) -> bool:
    calls = len(cleaner.calls)
    met = False

    async def tell(current: int, operation: str, resource: str) -> None:
        nonlocal met
        if current == calls + number:
            met = True
            await lab.put(lab.add(2, 5))
            await actor.deliver()

    cleaner.before = tell
    await Client(cleaner.hub).clean_entity_storage()
    return met


@pytest.mark.parametrize("end", ["terminated", "purged", "failed"])
@in_virtual_time
async def test_w19_whoever_dies_with_a_lock_leaves_it_open(end: str) -> None:
    """The next one gets it without anybody's cleaning."""
    lab = EntityLab(locking, failing)
    actor = await lab.actor()
    client = Client(lab.hub)
    await lab.start("failing" if end == "failed" else "locking")
    await actor.drain()
    assert await _holder(client) == "i1"
    await lab.start("locking", instance_id="i2")
    await actor.drain()
    match end:
        case "terminated":
            await client.terminate("i1", "enough")
        case "purged":
            await purge_instance(lab.hub, "i1", force=True)
        case _:
            await lab.raise_event("E", 1)
    await actor.drain()
    if end == "purged":  # nothing of it is left that could say so: the cleaning does
        assert await _holder(client) == "i1"
        await client.clean_entity_storage()
        await actor.drain()
    assert await _holder(client) == "i2"
    await lab.raise_event("E", "done", instance_id="i2")
    await actor.drain()
    assert await lab.output("i2") == "done"
    assert await _holder(client) is None


def failing(context: Any) -> Any:
    """Fails inside its critical section."""
    with (yield context.lock_entities([COUNTER])):
        yield context.wait_for_external_event("E")
        raise RuntimeError("inside")


async def _holder(client: Client) -> str | None:
    row = await client.hub.instances.read(ENTITY)
    assert row is not None
    return json.loads(row.custom_status or "{}").get("lockedBy")  # type: ignore[no-any-return]


@in_virtual_time
async def test_w19_a_lock_that_is_asked_for_by_the_dying_is_given_back() -> None:
    """It is terminated while it waits for the lock, which is granted to it afterwards."""
    lab = EntityLab(locking)
    actor = await lab.actor()
    client = Client(lab.hub)
    for number in (1, 2, 3):
        await lab.start("locking", instance_id=f"i{number}")
        await actor.drain()
    await client.terminate("i2", "enough")  # the second in the line
    await actor.drain()
    for number in (1, 3):
        await lab.raise_event("E", number, instance_id=f"i{number}")
        await actor.drain()
        assert await lab.output(f"i{number}") == number
    assert await _holder(client) is None
    assert await lab.value() == 2


def looking(context: Any) -> Any:
    """What the counter holds, once nobody else has it."""
    with (yield context.lock_entities([COUNTER])):
        return (yield context.call_entity(COUNTER, "get"))


@in_virtual_time
async def test_w19_a_late_call_of_the_terminated_is_not_done_in_the_next_one_s_section() -> None:
    """Its holder is terminated while a process that died holds the call: the release overtakes."""
    lab = EntityLab(locking, looking)
    actor = await lab.actor()
    await lab.start("locking")
    await actor.drain()
    await lab.start("looking", instance_id="i2")
    await actor.drain()
    await lab.raise_event("E", "go on")
    await actor.deliver()
    (held,) = await lab.account.queues.get(lab.queue, count=32, lease_seconds=60)
    assert "add" in held.text
    await Client(lab.hub).terminate("i1", "enough")
    for _ in range(6):
        await actor.deliver()
    assert (await lab.row()).status is RuntimeStatus.TERMINATED
    await actor.drain()
    assert await lab.output("i2") == 1  # what the terminated one had done, it had done before
    assert await lab.value() == 1
    assert await _holder(Client(lab.hub)) is None


@in_virtual_time
async def test_w19_a_suspended_entity_is_not_suspended_for_ever() -> None:
    """Whatever its suspension was for, it serves those who come later."""
    lab = EntityLab()
    actor = await lab.actor()
    await lab.put(lab.add(1))
    await actor.drain()
    await suspend(lab.hub, ENTITY, "a break")
    await actor.drain()
    await lab.clock.sleep(15)
    await lab.put(lab.add(2))
    await actor.drain()
    assert await lab.value() == 2


@in_virtual_time
async def test_w18_a_purge_refuses_what_runs() -> None:
    """By id and by time; only `force` takes it."""
    lab = EntityLab(napping)
    actor = await lab.actor()
    await lab.start("napping")
    await actor.deliver()
    client = Client(lab.hub)
    with pytest.raises(InstanceError, match="only finished"):
        await client.purge_instance_history("i1")
    before = lab.clock.now() - timedelta(hours=1)
    statuses = [OrchestrationRuntimeStatus.Running, OrchestrationRuntimeStatus.Completed]
    purged = await client.purge_instance_history_by(before, None, statuses)
    assert purged.instances_deleted == 0
    await actor.drain()
    assert await lab.output() == "rested"


@in_virtual_time
async def test_w18_an_instance_that_begins_anew_under_a_purge_keeps_its_history() -> None:
    """Between the look at its row and the deletion it is started again."""
    for number in itertools.count():
        lab = EntityLab(napping)
        actor, purger = await lab.actor(), await lab.actor()
        await lab.start("napping")
        await actor.drain()
        begun = await _purged_while_begun(lab, actor, purger, number)
        await actor.drain()
        if not begun:
            assert number > 3  # as many calls as the purge makes
            return
        row = await lab.row()
        assert (row.status, await lab.output()) == (RuntimeStatus.COMPLETED, "rested"), number


async def _purged_while_begun(lab: EntityLab, actor: Actor, purger: Actor, number: int) -> bool:
    calls = len(purger.calls)
    begun = False

    async def start_again(current: int, operation: str, resource: str) -> None:
        nonlocal begun
        if current == calls + number:
            begun = True
            await lab.start("napping")
            await actor.deliver()

    purger.before = start_again
    await purge_instance(purger.hub, "i1")
    return begun
