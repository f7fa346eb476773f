"""W5, W6, W7, W20: starts that are terminated, lost, refused without a word, or sent elsewhere."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from durable.client import Client
from durable.errors import InstanceExists, InstanceNotFound
from durable.hub.raising import terminate
from durable.hub.starting import StartRequest, start_instance, start_message
from durable.model.events import ExecutionStarted, ExecutionTerminated, InstanceRef
from durable.model.messages import Extras
from durable.model.status import RuntimeStatus
from tests.hub_lab import Crash, Lab, in_virtual_time, once
from tests.reliability.stories import PUT, begun, collect, greeting, lose_messages

_RUNS: Counter[str] = Counter()


def counted(context: Any) -> Any:
    """Says that its code ran."""
    _RUNS["counted"] += 1
    return (yield context.call_activity("greet", 1))


@pytest.mark.parametrize("seconds", [0, 600])
@in_virtual_time
async def test_w05_what_is_terminated_before_it_begins_never_runs(seconds: int) -> None:
    """At once Terminated, and the start's own message, when its time comes, changes nothing."""
    _RUNS.clear()
    lab = Lab(counted)
    actor = await lab.actor()
    due = lab.clock.now() + timedelta(seconds=seconds) if seconds else None
    request = StartRequest(name="counted", instance_id="i1", scheduled_start_time=due)
    await start_instance(lab.hub, request)
    await Client(lab.hub).terminate("i1", "never")
    await actor.deliver()
    row = await lab.row()
    assert (row.status, row.output) == (RuntimeStatus.TERMINATED, "never")
    await actor.drain()
    await lab.clock.sleep(seconds + 300)
    await actor.sweep()
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.TERMINATED
    assert not _RUNS
    assert not lab.counts


@in_virtual_time
async def test_w06_terminations_for_nobody_block_no_partition() -> None:
    """30 of them in one queue: each is gone after one delivery, and the next instance runs."""
    lab = Lab(greeting)
    actor = await lab.actor()
    for number in range(30):
        event = ExecutionTerminated(timestamp=lab.clock.now(), reason="why")
        await lab.put(lab.event(event, instance_id=f"nobody-{number}"))
    await lab.start("greeting", 1)
    began = lab.clock.monotonic()
    while await actor.deliver():
        pass
    assert lab.clock.monotonic() - began < 1.0
    assert await lab.output() == "Hello 1!"
    assert await lab.empty()
    assert await lab.quarantined() == []
    with pytest.raises(InstanceNotFound):
        await Client(lab.hub).terminate("nobody", "why")


@in_virtual_time
async def test_w07_a_client_that_dies_between_row_and_message_loses_no_start() -> None:
    """Its row is the start: the sweeper puts the message, within two minutes."""
    lab = Lab(greeting)
    client, actor = await lab.actor(), await lab.actor()

    async def die() -> None:
        client.crash()

    client.before = once(die, PUT)
    with pytest.raises(Crash):
        await Client(client.hub).start_new("greeting", "i1", 1)
    assert await lab.empty()
    for _ in range(2):
        await lab.clock.sleep(60)
        await actor.sweep()
    await actor.drain()
    assert await lab.output() == "Hello 1!"
    assert lab.counts == {"greet:1": 1}


@in_virtual_time
async def test_w07_an_event_begins_a_start_whose_message_is_lost() -> None:
    """Without the sweeper, too: any message for the instance begins it."""
    lab = Lab(collect)
    actor = await lab.actor()
    await lab.start("collect")
    await lose_messages(lab)
    await lab.raise_event("E", 1)
    await lab.raise_event("E", "end")
    await actor.drain()
    assert await lab.output() == [1]


@in_virtual_time
async def test_w07_no_start_is_received_before_its_row_is_there() -> None:
    """There a message that is quicker than its row is put off, ever longer: most of the p95."""
    lab = Lab(greeting)
    client, actor = await lab.actor(), await lab.actor()
    seen: list[int] = []

    async def deliver() -> None:
        seen.append(await actor.deliver())

    client.after = once(deliver, PUT)  # the message is there: a worker is quick
    await Client(client.hub).start_new("greeting", "i1", 1)
    assert seen == [1]
    assert (await lab.row()).status is RuntimeStatus.RUNNING
    await actor.drain()
    assert lab.clock.monotonic() < 2.0
    assert await lab.output() == "Hello 1!"


@in_virtual_time
async def test_w07_a_start_that_loses_is_told_so_and_leaves_nothing() -> None:
    """Two clients start one id at once: one is accepted, the other is told; one execution runs."""
    lab = Lab(greeting)
    client, actor = await lab.actor(), await lab.actor()

    async def other() -> None:
        await lab.start("greeting", "other")

    client.before = once(other, "Insert Entity")
    with pytest.raises(InstanceExists):
        await Client(client.hub).start_new("greeting", "i1", "mine")
    await actor.drain()
    assert lab.counts == {"greet:other": 1}


@in_virtual_time
async def test_w07_a_message_whose_start_was_never_accepted_begins_nothing() -> None:
    """A client gave up on its row: what it sent all the same is dropped."""
    lab = Lab(greeting)
    actor = await begun(lab, "greeting", 1)
    event = ExecutionStarted(
        timestamp=lab.clock.now(),
        instance=InstanceRef(instance_id="i1", execution_id="f" * 32),
        name="greeting",
        version="",
        input="2",
    )
    message = start_message(event, activity_id="01234567-89ab-cdef-0123-456789abcdef")
    assert message.extras == Extras(mark=True)
    await lab.put(message)
    await actor.drain()
    assert lab.counts == {"greet:1": 1}
    assert await lab.output() == "Hello 1!"


@in_virtual_time
async def test_w05_a_termination_that_comes_with_the_start_runs_nothing() -> None:
    """One batch: there the code runs once, and its activities are executed."""
    _RUNS.clear()
    lab = Lab(counted)
    actor = await lab.actor()
    await lab.start("counted")
    await terminate(lab.hub, "i1", "never")
    assert await actor.deliver() == 2
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.TERMINATED
    assert not _RUNS
