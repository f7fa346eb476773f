"""Making an instance quiet: wait briefly in place, then put off; past the grace, send (R3, R11)."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from durable.hub.commit import Committer
from durable.hub.raising import terminate
from durable.model.events import EventRaised, TaskScheduled
from durable.model.status import RuntimeStatus
from durable.runtime.quiet import Quieter
from durable.storage.values import QueueMessage
from tests.hub_lab import Actor, Crash, Lab, in_virtual_time, once

Steps = Generator[Any, Any, Any]
BATCH, PUT = "Entity Group Transaction", "Put Message"


def fan_out(context: Any) -> Steps:
    event = yield context.wait_for_external_event("go")
    yield context.task_all([context.call_activity("greet", n) for n in range(event)])
    return (yield context.wait_for_external_event("E"))


async def behind(lab: Lab, owed: int) -> None:
    """A process checkpointed a turn of `owed` activities and died before it sent them."""
    actor = await lab.actor()
    await lab.start("fan_out")
    await actor.deliver()
    await lab.raise_event("go", owed)

    async def after(number: int, operation: str, resource: str) -> None:
        if operation == BATCH:
            actor.crash()

    actor.after = after
    with pytest.raises(Crash):
        await actor.deliver()


async def sent_by(lab: Lab) -> str | None:
    sentinel = await lab.hub.history.read_sentinel("i1")
    assert sentinel is not None
    return sentinel.sent_by


async def work(lab: Lab) -> list[int]:
    messages = await lab.queued(lab.hub.names.work_items)
    return [m.event.event_id for m, _ in messages if isinstance(m.event, TaskScheduled)]


def only_new(messages: list[Any], name: str) -> list[Any]:
    return [
        (m, at) for m, at in messages if isinstance(m.event, EventRaised) and m.event.name == name
    ]


@in_virtual_time
async def test_r3_r11_behind_a_young_checkpoint_a_message_waits_shortly_then_is_put_off() -> None:
    lab = Lab(fan_out)
    await behind(lab, 3)
    second = await lab.actor()
    await lab.raise_event("E", 1)
    [(original, _)] = only_new(await lab.queued(), "E")
    before, began, mark = await lab.events(), lab.clock.monotonic(), await sent_by(lab)
    await second.deliver()
    waited = lab.clock.monotonic() - began
    assert 2.0 <= waited < 2.5
    [(copy, visible)] = only_new(await lab.queued(), "E")
    assert copy.extras.identity == original.extras.identity
    # It comes back when the grace is over: 20 s, and 20 ms a message.
    assert 20.06 - waited <= lab.in_seconds(visible) <= 20.06 - waited + 1
    assert await lab.events() == before
    assert await work(lab) == []
    assert await sent_by(lab) == mark


@in_virtual_time
async def test_r11_past_the_grace_the_sentinel_is_moved_and_everything_owed_is_sent() -> None:
    lab = Lab(fan_out)
    await behind(lab, 3)
    before = await lab.hub.history.read_sentinel("i1")
    second = await lab.actor()
    await lab.raise_event("E", 1)
    await second.deliver()
    assert await work(lab) == []
    await lab.clock.sleep(19)
    calls = len(second.calls)
    await second.deliver()
    after = await lab.hub.history.read_sentinel("i1")
    assert before is not None
    assert after is not None
    assert after.sent_by not in (None, before.sent_by)
    assert after.etag != before.etag
    assert await work(lab) == [0, 1, 2]
    made = [operation for operation, _ in second.calls[calls:]]
    # Moved before anything is sent, and row and sentinel read again before that.
    assert made.index("Merge Entity") < made.index(PUT)
    assert made[: made.index("Merge Entity")].count("Get Entity") >= 3
    await second.drain()
    assert await lab.output() == 1


@pytest.mark.parametrize(("age", "is_quiet"), [(21.5, False), (22.3, True)])
@in_virtual_time
async def test_r11_the_grace_grows_with_what_is_owed(age: float, is_quiet: bool) -> None:
    lab = Lab(fan_out)
    await behind(lab, 90)  # 21.8 s, and a second of doubt in the service's clock
    quieter = Quieter(lab.hub, Committer(lab.hub, lab.clock), lab.clock, in_place_seconds=0.0)
    await lab.clock.sleep(age)
    state, left = await quieter.quiet(await quieter.load("i1"))
    assert (left == 0.0) is is_quiet
    assert (state.owed_from is None) is is_quiet
    assert len(await work(lab)) == (90 if is_quiet else 0)


@in_virtual_time
async def test_r11_a_row_that_catches_up_in_time_lets_the_message_in() -> None:
    lab = Lab(fan_out)
    first, second = await lab.actor(), await lab.actor()
    await lab.start("fan_out")
    await first.deliver()
    await lab.raise_event("go", 2)

    async def beside() -> None:
        await lab.raise_event("E", 1)
        group.append(await sent_by(lab))
        await lab.clock.sleep(1.0)

    group: list[str | None] = []
    touches: list[str] = []

    async def note(number: int, operation: str, resource: str) -> None:
        if operation == "Merge Entity" and resource == lab.hub.names.history_table:
            touches.append(operation)

    second.before = note
    first.before = once(beside, PUT)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first.deliver())
        while not group:
            await lab.clock.sleep(0.01)
        tasks.create_task(second.deliver())
    assert touches == []
    raised = [e.input for e in await lab.events() if isinstance(e, EventRaised)]
    assert raised == ["2", "1"]
    await first.drain()
    assert dict(lab.counts) == {"greet:0": 1, "greet:1": 1}
    assert await lab.output() == 1


@in_virtual_time
async def test_r11_two_that_send_for_another_disturb_nothing() -> None:
    lab = Lab(fan_out)
    await behind(lab, 3)
    await lab.clock.sleep(30)
    second, third = await lab.actor(), await lab.actor()

    async def other() -> None:
        await third.sweep()
        await third.engine._mailboxes.look("i1")

    second.before = once(other, "Merge Entity")
    await lab.raise_event("E", 1)
    await second.drain()
    assert await lab.output() == 1
    assert set(lab.counts.values()) <= {1, 2}
    assert sorted(lab.counts) == ["greet:0", "greet:1", "greet:2"]


@in_virtual_time
async def test_r11_a_commit_seen_while_waiting_is_loaded() -> None:
    lab = Lab(fan_out)
    await behind(lab, 1)
    quieter = Quieter(lab.hub, Committer(lab.hub, lab.clock), lab.clock, in_place_seconds=2.0)
    state = await quieter.load("i1")
    await lab.merge_sentinel(SentBy="another")  # somebody is at it
    again, left = await quieter.quiet(state)
    assert left > 0
    assert again is not state
    assert again.sentinel is not None
    assert again.sentinel.sent_by == "another"


@in_virtual_time
async def test_an_instance_without_history_is_quiet() -> None:
    lab = Lab(fan_out)
    actor: Actor = await lab.actor()
    quieter = Quieter(actor.hub, Committer(actor.hub, lab.clock), lab.clock, in_place_seconds=2.0)
    state = await quieter.load("nobody")
    assert (state.sentinel, state.row, state.ledger.rows) == (None, None, [])
    assert await quieter.quiet(state) == (state, 0.0)


@in_virtual_time
async def test_r4_what_is_for_an_instance_that_begins_between_two_looks_is_not_dropped() -> None:
    """The history was read before its first checkpoint, the row after it."""
    lab = Lab(fan_out)
    first, second = await lab.actor(), await lab.actor()
    await lab.start("fan_out")
    [(queue, start)] = await received(lab)
    await terminate(lab.hub, "i1", "enough")
    [(_, termination)] = await received(lab)
    has_begun = asyncio.Event()

    async def row_late(number: int, operation: str, resource: str) -> None:
        if operation == "Get Entity" and resource == lab.hub.names.instances_table:
            await has_begun.wait()

    async def begin() -> None:
        await first.process(queue, start)
        has_begun.set()

    second.before = row_late
    second.after = once(begin, "Query Entities", lab.hub.names.history_table)
    await second.process(queue, termination)
    row = await lab.hub.instances.read("i1")
    assert row is not None
    assert (row.status, row.output) == (RuntimeStatus.TERMINATED, "enough")


async def received(lab: Lab) -> list[tuple[str, QueueMessage]]:
    """What is visible, taken out of its queue's sight."""
    queues = lab.hub.names.control_queues
    return [
        (queue, message)
        for queue in queues
        for message in await lab.account.queues.get(queue, count=32, lease_seconds=600)
    ]
