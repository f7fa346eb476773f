"""Entities as the engine runs them: once, whole, in order; whatever is delivered or lost."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from durable.authoring.definitions import EntityDefinition
from durable.errors import CorruptRecord
from durable.hub.purging import purge_instance
from durable.hub.raising import raise_event, terminate
from durable.model.entities import OperationRequest, Outgoing
from durable.model.events import EventRaised, EventSent, ExecutionCompleted, InstanceRef
from durable.model.ids import EntityId
from durable.model.messages import Extras, TaskMessage
from durable.model.status import RuntimeStatus
from durable.wire.entity_json import decode_response, decode_state, event_of
from tests.hub_lab import Actor, Crash, Lab, crash_at, in_virtual_time, once

A, B = "@counter@a", "@counter@b"


async def counter(context: Any) -> None:
    """Adds, forwards, and starts orchestrations."""
    value = context.get_state(lambda: 0)
    given = context.get_input()
    match context.operation_name:
        case "add":
            context.set_state(value + given)
        case "spread":
            context.set_state(value)
            for _ in range(given):
                context.signal_entity(EntityId("counter", "b"), "add", 1)
        case "begin":
            context.start_new_orchestration("watching", given, instance_id="started")
        case "fail":
            context.set_state(-1000)
            raise ValueError("no")
        case _:
            pass
    context.set_result(value)


def watching(context: Any) -> Any:
    return context.get_input()


class EntityLab(Lab):
    """A lab with an entity, and somebody who signals it."""

    def __init__(self, *orchestrators: Any) -> None:
        super().__init__(watching, *orchestrators)
        self.registry.add_entity(
            EntityDefinition(name="counter", function=counter, context_name="context")
        )
        self.signals = 0

    def signal(
        self, op: str, value: Any = None, *, identity: str | None = None, target: str = A
    ) -> TaskMessage:
        request = OperationRequest(
            op=op,
            id=f"request-{self.signals}",
            is_signal=True,
            input=None if value is None else json.dumps(value),
        )
        return self.request(request, identity=identity, target=target)

    def request(
        self, request: OperationRequest, *, identity: str | None = None, target: str = A
    ) -> TaskMessage:
        self.signals += 1
        name, text = event_of(Outgoing(target=target, message=request))
        return self.event(
            EventRaised(timestamp=self.clock.now(), name=name, input=text),
            instance_id=target,
            extras=Extras(mark=True, identity=identity or f"identity-{self.signals}"),
        )

    async def tell(self, op: str, value: Any = None, **more: Any) -> None:
        await self.put(self.signal(op, value, **more))

    async def tell_many(self) -> None:
        """Signals whose identities are as long as real ones, and too many for the column."""
        for _ in range(700):
            await self.tell("add", 1, identity=f"{self.signals:0>60}")

    async def state(self, instance_id: str = A) -> Any:
        row = await self.row(instance_id)
        text = (await self.hub.instances.texts(row)).input
        state = decode_state(text, instance_id).state
        return None if state is None else json.loads(state)


async def settled(lab: EntityLab, actor: Actor, instance_id: str = A) -> None:
    """At rest, an entity is three rows, and its row shows them."""
    await actor.drain()
    names = [type(event).__name__ for event in await lab.events(instance_id)]
    assert names == ["OrchestratorStarted", "ExecutionStarted", "OrchestratorCompleted"]
    row = await lab.row(instance_id)
    assert row.status is RuntimeStatus.RUNNING
    loaded = await lab.history(instance_id)
    assert loaded.sentinel is not None
    assert row.execution_id == loaded.sentinel.execution_id
    assert await lab.quarantined() == []


@in_virtual_time
async def test_the_first_signal_creates_the_entity() -> None:
    lab = EntityLab()
    actor = await lab.actor()
    await lab.tell("add", 3)
    await settled(lab, actor)
    assert await lab.state() == 3
    row = await lab.row(A)
    assert (row.name, row.version, row.custom_status) == (A, "", '{"entityExists":true}')


@in_virtual_time
async def test_signals_that_wait_together_are_one_turn() -> None:
    lab = EntityLab()
    actor = await lab.actor()
    await lab.tell("add", 1)
    await settled(lab, actor)
    actor.batches.clear()
    for _ in range(200):
        await lab.tell("add", 1)
    await settled(lab, actor)
    assert await lab.state() == 201
    # Nothing is sent, so both generations are one batch, of three rows and the sentinel.
    assert [len(batch) for batch in actor.batches] == [4]


@pytest.mark.parametrize("warm", [True, False])
@in_virtual_time
async def test_r7_a_signal_that_is_delivered_twice_counts_once(warm: bool) -> None:
    lab = EntityLab()
    actor = await lab.actor()
    signal = lab.signal("add", 5, identity="once")
    await lab.put(signal)
    await lab.put(signal)
    await settled(lab, actor)
    if not warm:
        actor = await lab.actor()
    await lab.put(signal)
    await lab.tell("add", 1)
    await settled(lab, actor)
    assert await lab.state() == 6


@in_virtual_time
async def test_a_failing_operation_changes_nothing_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lab = EntityLab()
    actor = await lab.actor()
    await lab.tell("add", 2)
    await lab.tell("fail")
    await lab.tell("add", 2)
    with caplog.at_level(logging.WARNING):
        await settled(lab, actor)
    assert await lab.state() == 4
    assert "'fail'" in caplog.text
    assert A in caplog.text


@in_virtual_time
async def test_more_messages_than_a_checkpoint_holds_leave_in_several() -> None:
    lab = EntityLab()
    actor = await lab.actor()
    await lab.tell("spread", 250)
    await settled(lab, actor)
    await settled(lab, actor, B)
    assert await lab.state(B) == 250
    assert decode_state((await lab.row(A)).input, A).outbox == ()


@in_virtual_time
async def test_an_entity_starts_an_orchestration_which_does_not_report_to_it() -> None:
    lab = EntityLab()
    actor = await lab.actor()
    await lab.tell("begin", "hello")
    await settled(lab, actor)
    assert await lab.output("started") == "hello"
    # Reading alone does not make it exist.
    assert await lab.state() is None


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@in_virtual_time
async def test_a_crash_at_any_call_loses_nothing_and_doubles_nothing(before: bool) -> None:
    number = 0
    while True:
        lab = EntityLab()
        actor = await lab.actor()
        # Sixty events and sixty messages do not fit one checkpoint.
        for _ in range(60):
            await lab.tell("spread", 1)
        await lab.tell("add", 7)
        crash_at(actor, number, before=before)
        try:
            await actor.deliver()
        except* Crash:
            pass
        crashed = actor.dead
        await lab.clock.sleep(700.0)
        second = await lab.actor()
        await settled(lab, second)
        await settled(lab, second, B)
        assert (await lab.state(A), await lab.state(B)) == (7, 60), number
        if not crashed:
            break
        # The many messages in the middle are alike.
        number += 1 if number < 15 else 6
    assert number > 60


@in_virtual_time
async def test_what_was_decided_is_written_whole() -> None:
    lab = EntityLab()
    actor = await lab.actor()
    await lab.tell("add", 1)
    await settled(lab, actor)
    actor.batches.clear()
    for _ in range(70):
        await lab.tell("spread", 1)
    await actor.drain()
    written = [
        {str(operation.row.columns.get("EventType")) for operation in batch}
        for batch in actor.batches
    ]
    assert all(
        EventSent.__name__ not in kinds or "ExecutionCompleted" in kinds for kinds in written
    )
    assert ExecutionCompleted.__name__ in set().union(*written)


@in_virtual_time
async def test_an_entity_of_another_deployment_is_waited_for() -> None:
    lab = EntityLab()
    old = await lab.actor(lab.make_registry())
    await lab.tell("add", 4)
    await old.deliver()
    assert await lab.hub.instances.read(A) is None
    await lab.clock.sleep(30.0)
    await settled(lab, await lab.actor())
    assert await lab.state() == 4


@in_virtual_time
async def test_an_entity_nobody_has_tells_its_callers_after_two_minutes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lab = EntityLab()
    actor = await lab.actor(lab.make_registry())
    call = OperationRequest(op="add", id="r1", input="1", parent="caller", parent_execution="x")
    await lab.put(lab.request(call, target=A))
    await lab.tell("add", 1)
    began = lab.clock.monotonic()
    with caplog.at_level(logging.WARNING):
        while await lab.hub.instances.read(A) is None:
            await actor.deliver()
            await lab.clock.sleep(1.0)
    assert 120 <= lab.clock.monotonic() - began < 200
    ((answer, _),) = await lab.queued()
    assert isinstance(answer.event, EventRaised)
    assert answer.event.name == "r1"
    response = decode_response("r1", answer.event.input, "answer")
    assert response.failure is not None
    assert "counter" in response.failure.message
    assert answer.target == InstanceRef(instance_id="caller", execution_id="x")
    # The signal is lost, and it is said so; the entity goes on when its code comes back.
    assert "has no code in this process" in caplog.text
    await lab.tell("add", 4)
    await (await lab.actor()).deliver()
    assert await lab.state() == 4


@in_virtual_time
async def test_a_purged_entity_begins_anew_with_the_next_signal() -> None:
    lab = EntityLab()
    actor = await lab.actor()
    again = lab.signal("add", 1, identity="before")
    await lab.put(again)
    await settled(lab, actor)
    assert await purge_instance(lab.hub, A, force=True)
    await lab.put(again)  # delivered once more: it counted before the purge
    await actor.drain()
    assert await lab.hub.instances.read(A) is None
    await lab.tell("add", 5)
    await settled(lab, actor)
    assert await lab.state() == 5


@in_virtual_time
async def test_a_terminated_entity_is_over() -> None:
    lab = EntityLab()
    actor = await lab.actor()
    await lab.tell("add", 1)
    await settled(lab, actor)
    await terminate(lab.hub, A, "enough")
    await lab.tell("add", 1)
    await actor.drain()
    row = await lab.row(A)
    assert (row.status, row.output) == (RuntimeStatus.TERMINATED, "enough")


@in_virtual_time
async def test_what_is_no_event_does_not_create_an_entity() -> None:
    lab = EntityLab()
    actor = await lab.actor()
    await terminate(lab.hub, A, "enough")
    await actor.drain()
    assert await lab.hub.instances.read(A) is None
    # Any other name than an operation's wakes it: there is nothing to do, and nothing to lose.
    await raise_event(lab.hub, A, "continue", "null")
    await settled(lab, actor)
    assert await lab.state() is None


@in_virtual_time
async def test_r7_a_list_of_identities_that_is_replaced_leaves_no_orphan() -> None:
    lab = EntityLab()
    actor = await lab.actor()
    for _ in range(3):
        # More than the sentinel's column holds, so that each turn writes a blob of them.
        await lab.tell_many()
        await settled(lab, actor)
        sentinel = (await lab.history(A)).sentinel
        assert sentinel is not None
        assert sentinel.identities_blob is not None
        assert list(await lab.blobs()) == [sentinel.identities_blob]
    assert await lab.state() == 2100


@pytest.mark.parametrize("whole", [True, False], ids=["history", "sentinel"])
@in_virtual_time
async def test_r2_a_reader_that_meets_a_replaced_list_reads_again(whole: bool) -> None:
    lab = EntityLab()
    actor = await lab.actor()
    await lab.tell_many()
    await settled(lab, actor)
    reader = await lab.actor()

    async def turn() -> None:
        await lab.tell("add", 1)
        await actor.drain()

    reader.before = once(turn, "Get Blob")
    store = reader.hub.history
    found = (await store.read(A)).sentinel if whole else await store.read_sentinel(A)
    assert found is not None
    assert len(found.identities) == 701


@in_virtual_time
async def test_r7_a_list_that_is_missing_is_told() -> None:
    lab = EntityLab()
    actor = await lab.actor()
    await lab.tell_many()
    await settled(lab, actor)
    await lab.hub.payloads.delete(list(await lab.blobs()))
    with pytest.raises(CorruptRecord, match="identities"):
        await lab.hub.history.read_sentinel(A)
    with pytest.raises(CorruptRecord, match="payloads"):
        await lab.hub.history.read(A)
