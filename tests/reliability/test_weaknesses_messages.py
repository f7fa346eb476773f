"""W2, W3, W9, W14, W15, W25: messages that leave too early, come twice, never end, or too late."""

from __future__ import annotations

import json
from typing import Any

import pytest

from durable.client import Client
from durable.model.events import (
    EventRaised,
    ExecutionStarted,
    SubOrchestrationCreated,
    TaskCompleted,
)
from durable.model.messages import Extras
from durable.model.status import RuntimeStatus
from durable.runtime.settings import EngineSettings
from durable.runtime.worker_settings import WorkerSettings
from tests.hub_lab import Actor, Crash, Lab, in_virtual_time, once
from tests.reliability.stories import (
    BATCH,
    PUT,
    begun,
    collect,
    greeting,
    parent,
    raised,
    steps,
)
from tests.unit.runtime.worker_lab import WorkerLab


@in_virtual_time
async def test_w02_a_turn_that_is_not_committed_sends_nothing() -> None:
    """The process dies right before history is written: nothing of the turn may be on its way."""
    lab = Lab(parent, steps)
    actor = await lab.actor()
    await lab.start("parent")
    actor.before = once(_death_of(actor), BATCH)
    with pytest.raises(Crash):
        await actor.deliver()
    left = [type(message.event) for message, _ in await lab.queued()]
    assert left == [ExecutionStarted]  # the parent's own
    await (await lab.actor()).drain()
    assert await lab.output() == ["Hello 0!", "Hello 1!"]


@in_virtual_time
async def test_w02_a_turn_that_is_repeated_does_not_begin_its_child_anew() -> None:
    """The parent's process dies when the child's start is put; it is put again mid-flight."""
    lab = Lab(parent, steps)
    actor = await lab.actor()
    await lab.start("parent")
    actor.after = once(_death_of(actor), PUT)
    with pytest.raises(Crash):
        await actor.deliver()
    other = await lab.actor()
    await other.deliver()  # the child begins ...
    before = await lab.row("child")
    assert before.status is RuntimeStatus.RUNNING
    await other.drain()  # ... and the parent's turn comes back, and sends what is owed again
    [created] = [e for e in await lab.events() if isinstance(e, SubOrchestrationCreated)]
    assert created.instance_id == "child"
    assert (await lab.row("child")).execution_id == before.execution_id
    assert lab.counts == {"greet:0": 1, "greet:1": 1}
    assert await lab.output() == ["Hello 0!", "Hello 1!"]


def _death_of(actor: Actor) -> Any:
    async def die() -> None:
        actor.crash()

    return die


@pytest.mark.parametrize("generations", [0, 2])
@in_virtual_time
async def test_w03_an_event_that_is_put_twice_and_delivered_twice_is_one(generations: int) -> None:
    """The sender's put takes effect twice; a delivery is committed and its message stays."""
    lab = Lab(collect)
    actor = await begun(lab, "collect")
    client = await lab.actor()
    client.repeated.add(PUT)
    await Client(client.hub).raise_event("i1", "E", "once")
    assert len(await lab.queued()) == 2
    actor.after = once(_death_of(actor), BATCH)
    with pytest.raises(Crash):
        await actor.deliver()
    actor = await lab.actor()
    for _ in range(generations):
        await lab.raise_event("E", "again")
        await actor.deliver()
    await actor.drain()  # both come back when their leases end
    await lab.raise_event("E", "end")
    await actor.drain()
    assert await lab.output() == ["once"]


@in_virtual_time
async def test_w03_an_event_from_dotnet_that_is_delivered_again_is_one() -> None:
    """It bears no identity of ours: its queue message's id stands in."""
    lab = Lab(collect)
    actor = await begun(lab, "collect")
    await lab.put(lab.event(_event(lab, "once")))
    actor.after = once(_death_of(actor), BATCH)
    with pytest.raises(Crash):
        await actor.deliver()
    actor = await lab.actor()
    await lab.raise_event("E", "again")
    await actor.drain()
    await lab.raise_event("E", "end")
    await actor.drain()
    assert await lab.output() == ["once"]


def _event(lab: Lab, value: Any) -> EventRaised:
    return EventRaised(timestamp=lab.clock.now(), name="E", input=json.dumps(value))


@in_virtual_time
async def test_w09_what_cannot_be_read_is_put_aside_at_once_with_its_reason() -> None:
    """From both queues: there it comes back for ever, or is not even put off."""
    lab = Lab(collect)
    actor = await begun(lab, "collect")
    texts = {lab.queue: '{"half": ', lab.hub.names.work_items: "{}"}
    for queue, text in texts.items():
        await lab.account.queues.put(queue, text)
    await actor.deliver()
    assert await lab.empty()
    kept = await lab.quarantined()
    assert {record["queue"]: record["text"] for record in kept} == texts
    assert all(record["reason"] for record in kept)


@in_virtual_time
async def test_w09_an_answer_that_nobody_waits_for_does_not_come_back_for_ever() -> None:
    """A task's result for an instance that is there, and never asked for it."""
    lab = Lab(collect)
    actor = await begun(lab, "collect")
    execution = (await lab.row()).execution_id
    answer = TaskCompleted(timestamp=lab.clock.now(), task_id=77, result='"?"')
    await lab.put(lab.event(answer, execution_id=execution, extras=Extras(mark=True)))
    await actor.drain(seconds=1200)
    [record] = await lab.quarantined()
    assert "never recorded" in record["reason"]
    assert (await lab.row()).status is RuntimeStatus.RUNNING


@in_virtual_time
async def test_w14_a_bad_message_in_a_batch_holds_up_none_of_the_others() -> None:
    """31 good ones come with it, for the same instance and for others."""
    lab = Lab(collect, greeting)
    actor = await begun(lab, "collect")
    for number in range(15):
        await lab.raise_event("E", number)
    await lab.account.queues.put(lab.queue, "no message at all")
    for number in range(16):
        await lab.start("greeting", number, instance_id=f"other-{number}")
    began = lab.clock.monotonic()
    assert await actor.deliver() == 32
    await actor.deliver()
    await actor.deliver()
    assert lab.clock.monotonic() - began < 1.0
    assert await lab.empty()
    assert len(raised(await lab.events())) == 15
    for number in range(16):
        assert await lab.output(f"other-{number}") == f"Hello {number}!"


@in_virtual_time
async def test_w14_a_busy_queue_does_not_starve_the_others_of_a_worker() -> None:
    """They share the room for messages in flight, which one of them could fill ten times over."""
    lab = WorkerLab(hoarding, steps, settings=EngineSettings(fast_path=False))
    names = lab.hub.names
    busy = next(f"busy-{n}" for n in range(99) if names.control_queue_of(f"busy-{n}")[-1] == "0")
    calm = next(f"calm-{n}" for n in range(99) if names.control_queue_of(f"calm-{n}")[-1] == "1")
    worker = lab.process(
        settings=WorkerSettings(control_limit=32), account=lab.account.opened_by(_slow(lab))
    )
    async with lab.running(worker):
        await lab.begin("hoarding", busy)
        for number in range(320):
            await lab.raise_event("E", number, instance_id=busy)
        await lab.begin("steps", calm, 3)
        began = lab.clock.monotonic()
        await lab.ended(calm)
        assert lab.clock.monotonic() - began < 5.0
        assert await lab.account.queues.count(names.control_queue_of(busy))  # it was busy all along
        await lab.ended(busy, seconds=3600)
    assert sorted(await lab.output(busy)) == list(range(320))


def _slow(lab: Lab) -> Any:
    """Storage that takes its time."""

    async def call(service: str, operation: str, resource: str, work: Any) -> Any:
        await lab.clock.sleep(0.05)
        return work()

    return call


def hoarding(context: Any) -> Any:
    """Takes 320 events."""
    got = []
    for _ in range(320):
        got.append((yield context.wait_for_external_event("E")))  # noqa: PERF401 - yields
    return got


@in_virtual_time
async def test_w15_an_instance_that_always_fails_slows_nobody_else_down() -> None:
    """Its row is damaged, so each of its messages fails; others go on as if it weren't there."""
    lab = Lab(collect, steps)
    actor = await begun(lab, "collect", instance_id="bad")
    await _damage(lab, "bad")
    fresh = await lab.actor()
    for _ in range(20):
        await lab.raise_event("E", 1, instance_id="bad")
    await lab.start("steps", 5)
    began = lab.clock.monotonic()
    for _ in range(14):
        await fresh.deliver()
    assert lab.clock.monotonic() - began < 5.0
    assert (await lab.row()).status is RuntimeStatus.COMPLETED
    waiting = await lab.queued()
    assert len(waiting) == 20  # each put off by itself, and counted
    assert {message.extras.failures for message, _ in waiting} <= {1, 2, 3}
    assert actor.refused == fresh.refused == []


async def _damage(lab: Lab, instance_id: str) -> None:
    held = lab.account._tables._state.tables[lab.hub.names.history_table.lower()]
    row = held.partitions[instance_id].rows["0000000000000001"]
    columns: dict[str, Any] = row.columns  # type: ignore[assignment]
    columns["EventType"] = "NoSuchEvent"


@pytest.mark.parametrize("waits", [False, True])
@in_virtual_time
async def test_w25_a_termination_that_comes_late_leaves_the_next_run_alone(waits: bool) -> None:
    """It was sent to a run that ended by itself; the id is taken anew before it arrives."""
    lab = Lab(collect)
    actor = await begun(lab, "collect")
    await Client(lab.hub).terminate("i1", "the first one")
    (late,) = await lab.account.queues.get(lab.queue, count=1, lease_seconds=300)
    await lab.raise_event("E", "end")
    await actor.deliver()
    await lab.start("collect")
    if not waits:  # it meets the new run's history; else its row, Pending
        await actor.deliver()
    await actor.process(lab.queue, late)
    await lab.raise_event("E", "end")
    await actor.drain()
    row = await lab.row()
    assert (row.status, await lab.output()) == (RuntimeStatus.COMPLETED, [])
    assert row.generation == 1


@in_virtual_time
async def test_w25_a_termination_that_is_put_twice_ends_one_run() -> None:
    """Its answer is lost, and the client's adapter puts it again."""
    lab = Lab(collect)
    actor = await begun(lab, "collect")
    client = await lab.actor()
    client.repeated.add(PUT)
    await Client(client.hub).terminate("i1", "enough")
    first, second = await lab.account.queues.get(lab.queue, count=2, lease_seconds=300)
    await actor.process(lab.queue, first)
    assert (await lab.row()).status is RuntimeStatus.TERMINATED
    await lab.start("collect")
    await actor.deliver()
    await actor.process(lab.queue, second)
    assert (await lab.row()).status is RuntimeStatus.RUNNING


@pytest.mark.parametrize("generations", [0, 3])
@in_virtual_time
async def test_w25_a_termination_reaches_its_run_whatever_generation_that_is_in(
    generations: int,
) -> None:
    """It was sent before the run continued as new."""
    lab = Lab(collect)
    actor = await begun(lab, "collect")
    for _ in range(generations):
        await lab.raise_event("E", "again")
        await actor.deliver()
    await Client(lab.hub).terminate("i1", "enough")
    (late,) = await lab.account.queues.get(lab.queue, count=1, lease_seconds=300)
    for _ in range(generations):
        await lab.raise_event("E", "again")
        await actor.deliver()
    await actor.process(lab.queue, late)
    row = await lab.row()
    assert (row.status, row.output) == (RuntimeStatus.TERMINATED, "enough")
