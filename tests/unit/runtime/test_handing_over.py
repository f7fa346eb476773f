"""Messages for instances of this process: put leased, taken at once, deleted after."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from typing import Any

import pytest

from durable.authoring.definitions import EntityDefinition
from durable.errors import EngineBug, Unavailable
from durable.hub.raising import signal
from durable.hub.starting import StartRequest, start_instance
from durable.model.events import (
    EventRaised,
    ExecutionStarted,
    SubOrchestrationCompleted,
    TaskCompleted,
)
from durable.model.ids import EntityId
from durable.model.messages import Outbound
from durable.runtime.scope import Invocation
from durable.runtime.settings import EngineSettings
from tests.hub_lab import Actor, in_virtual_time, once
from tests.unit.runtime.fast_lab import (
    BATCH,
    DELETE,
    INSERT,
    MERGE,
    PUT,
    READ_ROW,
    RENEW,
    FastLab,
    how_many,
    operations,
)

Steps = Generator[Any, Any, Any]
OWN_LEASE = 45


def parent(context: Any) -> Steps:
    return (yield context.call_sub_orchestrator("child", context.get_input(), "child"))


def child(context: Any) -> Steps:
    return (yield context.call_activity("slow", context.get_input()))


def family(context: Any) -> Steps:
    children = [context.call_sub_orchestrator("child", 1) for _ in range(context.get_input())]
    return sum((yield context.task_all(children)))


def calls_entity(context: Any) -> Steps:
    entity = EntityId("counter", "a")
    first = yield context.call_entity(entity, "add", 1)
    return [first, (yield context.call_entity(entity, "add", 2))]


async def counter(context: Any) -> None:
    """Adds; or plays with another one, a second for each stroke."""
    value = context.get_state(lambda: 0)
    given = context.get_input()
    if context.operation_name == "add":
        value += given
    elif given:
        await asyncio.sleep(1)
        other = "b" if context.entity_id.key == "a" else "a"
        context.signal_entity(EntityId("counter", other), "play", given - 1)
    context.set_state(value)
    context.set_result(value)


def entity_lab(**settings: Any) -> FastLab:
    lab = FastLab(calls_entity, **settings)
    lab.registry.add_entity(
        EntityDefinition(name="counter", function=counter, context_name="context")
    )
    return lab


async def visible(lab: FastLab) -> int:
    """How many messages anybody could receive now."""
    queues = (*lab.hub.names.control_queues, lab.work_items)
    found = [await lab.queued(queue) for queue in queues]
    return sum(lab.in_seconds(at) <= 0 for each in found for _, at in each)


@in_virtual_time
async def test_a_child_begins_where_its_parent_is_and_answers_it_there() -> None:
    lab = FastLab(parent, child)
    actor = await lab.actor()
    await lab.start("parent", 0.2)
    async with lab.delivering(actor):
        await lab.clock.sleep(0.1)
        assert await visible(lab) == 0
        [_parent, (start, seconds)] = await lab.mail()
        assert isinstance(start.event, ExecutionStarted)
        assert seconds == pytest.approx(OWN_LEASE - 0.1)
    assert await lab.empty()
    assert await lab.output() == 0.2
    asked = how_many(actor)
    assert (asked[PUT], asked[DELETE]) == (2, 2)  # the child's start, and its result
    # The parent: row, two checkpoints, row twice; the child: no row yet, two checkpoints, its row.
    assert (asked[READ_ROW], asked[BATCH], asked[MERGE], asked[INSERT]) == (2, 4, 2, 1)


@in_virtual_time
async def test_a_message_is_renewed_while_it_is_dealt_with() -> None:
    lab = FastLab(parent, child)
    actor = await lab.actor()
    await lab.start("parent", 0)

    async def long(number: int, operation: str, resource: str) -> None:
        if operation == BATCH and operations(actor).count(BATCH) == 2:  # the child's first
            for _ in range(100):
                assert await visible(lab) == 0
                await lab.clock.sleep(1)

    actor.before = long
    await actor.deliver()
    assert how_many(actor)[RENEW] == 100 // (OWN_LEASE / 2)
    actor.before = None
    await actor.drain()  # its activity: this invocation has lasted too long to run it
    assert await lab.output() == 0


@in_virtual_time
async def test_a_parent_that_lives_elsewhere_gets_its_result_through_the_queue() -> None:
    lab = FastLab(parent, child)
    second = await lab.actor()
    lab.engine_settings = EngineSettings(fast_path=False)
    first = await lab.actor()
    await lab.start("parent", 0)
    await first.deliver()
    assert await visible(lab) == 1
    await second.deliver()
    [(result, seconds)] = await lab.mail()
    assert isinstance(result.event, SubOrchestrationCompleted)
    assert seconds <= 0
    await first.drain()
    assert await lab.output() == 0


@in_virtual_time
async def test_an_entity_that_lives_here_is_called_and_answers_here() -> None:
    lab = entity_lab()
    actor = await lab.actor()
    await signal(lab.hub, "@counter@a", "add", "10")
    await actor.deliver()
    await lab.start("calls_entity")
    actor.calls.clear()
    await actor.deliver()
    assert await lab.empty()
    assert await lab.output() == [11, 13]
    asked = how_many(actor)
    assert (asked[PUT], asked[DELETE], asked[READ_ROW]) == (4, 4, 1)


@in_virtual_time
async def test_an_entity_that_may_live_anywhere_is_called_through_the_queue() -> None:
    lab = entity_lab()
    actor = await lab.actor()
    await lab.start("calls_entity")
    await actor.deliver()
    [(call, seconds)] = await lab.mail()
    assert isinstance(call.event, EventRaised)
    assert seconds <= 0
    await actor.drain()
    assert await lab.output() == [1, 3]


@in_virtual_time
async def test_two_entities_that_never_rest_keep_an_invocation_for_a_while_only() -> None:
    lab = entity_lab(hand_over_seconds=5.0)
    actor = await lab.actor()
    for key in "ab":
        await signal(lab.hub, f"@counter@{key}", "add", "0")
    await actor.deliver()
    await signal(lab.hub, "@counter@a", "play", "12")
    began = lab.clock.monotonic()
    await actor.deliver()
    assert lab.clock.monotonic() - began == pytest.approx(5)
    [(stroke, seconds)] = await lab.mail()
    assert isinstance(stroke.event, EventRaised)
    assert seconds <= 0  # for anyone
    await actor.deliver()
    assert lab.clock.monotonic() - began == pytest.approx(10)
    await actor.drain()
    assert lab.clock.monotonic() - began == pytest.approx(12)


@in_virtual_time
async def test_what_could_not_be_dealt_with_comes_back_when_its_lease_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lab = FastLab(parent, child)
    actor = await lab.actor()
    await lab.start("parent", 0)

    async def away() -> None:
        for operation in (READ_ROW, PUT):
            actor.failing[operation] = Unavailable("away")

    actor.after = once(away, MERGE)  # the parent's chain is shown; its child has not begun
    with caplog.at_level(logging.WARNING, "durable.engine"):
        await actor.deliver()
    assert any("waits: Put Message: away" in each or "waits" in each for each in caplog.messages)
    [(start, seconds)] = await lab.mail()
    assert isinstance(start.event, ExecutionStarted)
    assert 0 < seconds <= OWN_LEASE
    actor.failing.clear()
    await actor.drain(seconds=OWN_LEASE + 20)
    assert await lab.output() == 0


@in_virtual_time
async def test_a_message_that_could_not_be_deleted_comes_back_and_is_a_duplicate() -> None:
    lab = FastLab(parent, child)
    actor = await lab.actor()
    await lab.start("parent", 0)
    actor.failing[DELETE] = Unavailable("away")
    await actor.deliver()
    assert await lab.output() == 0
    actor.failing.clear()
    assert len(await lab.mail()) == 2
    await actor.drain()
    assert await lab.output() == 0
    assert lab.counts == {"slow:0": 1}


# A worker's own scope.


async def started(lab: FastLab, actor: Actor, name: str, value: str) -> None:
    """A client's start, in the worker's process."""
    await start_instance(actor.hub, StartRequest(name=name, instance_id="i1", input=value))


@in_virtual_time
async def test_a_worker_takes_its_own_clients_start_with_the_row_it_wrote() -> None:
    lab = FastLab(child)
    actor = await lab.actor()
    worker = Invocation(lab.clock, hand_over_seconds=1000.0)
    actor.engine.work_in(worker)
    actor.calls.clear()
    await worker.run(started(lab, actor, "child", "0"))
    assert await lab.output() == 0
    # Not even the row is read again.
    assert operations(actor)[-6:] == [INSERT, PUT, BATCH, BATCH, MERGE, DELETE]
    assert await lab.empty()


@in_virtual_time
async def test_what_is_not_due_is_not_taken() -> None:
    lab = FastLab(child)
    actor = await lab.actor()
    worker = Invocation(lab.clock, hand_over_seconds=1000.0)
    actor.engine.work_in(worker)
    message = lab.event(TaskCompleted(timestamp=lab.clock.now(), task_id=0, result="1"))
    assert not actor.engine.takes(Outbound(message=message))  # nobody here
    await worker.run(started(lab, actor, "child", "0"))
    [begun] = [
        each.event
        for each in (await lab.history()).ledger.rows
        if isinstance(each.event, ExecutionStarted)
    ]
    start = lab.event(begun)
    assert actor.engine.takes(Outbound(message=start))
    assert actor.engine.takes(Outbound(message=start, due=lab.clock.now()))
    later = lab.clock.now().replace(year=2100)
    assert not actor.engine.takes(Outbound(message=start, due=later))
    assert not actor.engine.takes(Outbound(message=start, to_workers=True))


@in_virtual_time
async def test_of_many_children_so_many_are_handed_over_at_once_and_the_rest_is_put() -> None:
    lab = FastLab(family, child, hand_over_limit=3)
    actor = await lab.actor()
    held: list[int] = []

    async def look(number: int, operation: str, resource: str) -> None:
        held.append(actor.engine._hand_over._under_way)

    actor.before = look
    await lab.start("family", 10)
    await actor.deliver()
    assert max(held) == 3
    await actor.drain()
    assert await lab.output() == 10
    assert actor.engine._hand_over._under_way == 0


@in_virtual_time
async def test_one_that_could_not_be_put_takes_no_place() -> None:
    lab = FastLab(parent, child, hand_over_limit=1)
    actor = await lab.actor()
    await lab.start("parent", 0)
    actor.failing[PUT] = Unavailable("away")
    await actor.deliver()
    assert actor.engine._hand_over._under_way == 0
    actor.failing.clear()
    await lab.clock.sleep(700)
    await actor.drain()
    assert await lab.output() == 0


@in_virtual_time
async def test_an_engine_outside_a_worker_takes_no_clients_messages() -> None:
    lab = FastLab(child)
    actor = await lab.actor()
    message = lab.event(TaskCompleted(timestamp=lab.clock.now(), task_id=0, result="1"))
    assert not actor.engine.takes(Outbound(message=message))
    with pytest.raises(EngineBug, match="in a worker"):
        await actor.engine.receive(Outbound(message=message), None)
