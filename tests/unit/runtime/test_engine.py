"""The entry points: deferring, counting failures, quarantine; one bad message stops only itself."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

import durable as df
from durable.authoring.definitions import EntityDefinition
from durable.errors import Throttled, Unavailable
from durable.hub.purging import purge_instance
from durable.model.events import (
    EventRaised,
    ExecutionStarted,
    InstanceRef,
    TaskCompleted,
    TimerFired,
    TraceContext,
)
from durable.model.messages import Extras, TaskMessage
from durable.runtime.delivery import Lease
from durable.runtime.settings import EngineSettings
from durable.wire.entity_json import decode_state
from durable.wire.envelopes import encode_pointer
from tests.hub_lab import Actor, Lab, in_virtual_time
from tests.simulation.simloop import run_simulation

Steps = Generator[Any, Any, Any]
BATCH = "Entity Group Transaction"


def collect(context: Any) -> Steps:
    got: list[Any] = []
    while True:
        event = yield context.wait_for_external_event("E")
        if event == "end":
            return got
        got.append(event)


def greeting(context: Any) -> Steps:
    return (yield context.call_activity("greet", 1))


async def begun(lab: Lab) -> Actor:
    actor = await lab.actor()
    await lab.start("collect")
    await actor.deliver()
    return actor


def bad(lab: Lab) -> TaskMessage:
    """A message that can be read but never be written down: a column over the service's limit."""
    event = EventRaised(
        timestamp=lab.clock.now(),
        name="E",
        input='"bad"',
        parent_trace_context=TraceContext(trace_parent="t" * 70_000),
    )
    return lab.event(event, extras=Extras(mark=True, identity="c:bad"))


async def put_bad(lab: Lab) -> None:
    await lab.hub.outbox.put(lab.queue, bad(lab), delay_seconds=0)


def raised_inputs(events: list[Any]) -> list[str | None]:
    return [e.input for e in events if isinstance(e, EventRaised)]


@in_virtual_time
async def test_design_8_a_bad_message_in_a_gathered_batch_stops_only_itself() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.raise_event("E", 1)
    await put_bad(lab)
    await lab.raise_event("E", 2)
    await lab.raise_event("E", "end")
    await actor.deliver()
    assert await lab.output() == [1, 2]
    [(left, _)] = await lab.queued()
    assert left.extras.failures == 1


@in_virtual_time
async def test_a_failure_of_the_engine_counts_in_the_copy_and_backs_off() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await put_bad(lab)
    pauses: list[float] = []
    for failures in range(1, 10):
        await actor.deliver()
        [(copy, visible)] = await lab.queued()
        assert copy.extras.failures == failures
        assert copy.extras.identity == "c:bad"
        pauses.append(lab.in_seconds(visible))
        await lab.clock.sleep(pauses[-1])
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert await lab.quarantined() == []
    names = lab.hub.names
    [raw] = await lab.account.queues.peek(names.control_queues[0])
    await actor.deliver()
    assert await lab.empty()
    [record] = await lab.quarantined()
    assert record["text"] == raw.text
    assert record["queue"] == lab.queue
    assert record["messageId"] == raw.id
    assert "failed on it 10 times: TooLarge" in record["reason"]
    assert record["quarantinedAt"] == lab.clock.now().isoformat()
    assert raised_inputs(await lab.events()) == []
    await lab.raise_event("E", "end")
    await actor.deliver()
    assert await lab.output() == []


@pytest.mark.parametrize("error", [Unavailable("away"), Throttled("busy")])
@in_virtual_time
async def test_trouble_of_storage_defers_without_counting(error: Any) -> None:
    lab = Lab(collect, settings=EngineSettings(failure_limit=2))
    actor = await begun(lab)
    await lab.put(lab.raised("E", 1, identity="c:one"))
    await lab.put(lab.raised("E", 2, identity="c:two"))
    actor.failing[BATCH] = error
    for _ in range(5):
        await actor.deliver()
        found = await lab.queued()
        assert sorted(m.extras.identity or "" for m, _ in found) == ["c:one", "c:two"]
        assert [m.extras.failures for m, _ in found] == [0, 0]
        assert [lab.in_seconds(visible) for _, visible in found] == [5, 5]
        await lab.clock.sleep(5)
    actor.failing.clear()
    await lab.raise_event("E", "end")
    await actor.drain()
    assert sorted(await lab.output()) == [1, 2]


@in_virtual_time
async def test_trouble_with_the_copy_itself_leaves_the_message_to_its_host() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.raise_event("E", 1)
    actor.failing[BATCH] = actor.failing["Put Message"] = Unavailable("away")
    await actor.deliver()
    assert actor.refused == [actor.failing[BATCH]]
    assert len(await lab.queued()) == 1


@in_virtual_time
async def test_an_activity_s_answer_that_cannot_be_sent_brings_the_work_back() -> None:
    lab = Lab(greeting)
    actor = await lab.actor()
    await lab.start("greeting")
    await actor.deliver()
    puts = 0

    async def first_fails(number: int, operation: str, resource: str) -> None:
        nonlocal puts
        if operation == "Put Message":
            puts += 1
            if puts == 1:
                raise Unavailable("away")

    actor.before = first_fails
    await actor.deliver()
    [(copy, _)] = await lab.queued(lab.hub.names.work_items)
    assert copy.extras.failures == 0
    await actor.drain()
    assert lab.counts["greet:1"] == 2  # at least once
    assert await lab.output() == "Hello 1!"
    assert len([e for e in await lab.events() if isinstance(e, TaskCompleted)]) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no message at all", "neither a JSON object nor Base64"),
        ('{"half": ', "Queue message"),
        ("{}", "ActivityId"),
        (encode_pointer("i1/message-gone-EventRaised.json.gz"), "is missing"),
        (encode_pointer("i1/../secret"), "not valid"),
    ],
)
@pytest.mark.parametrize("to_workers", [False, True])
@in_virtual_time
async def test_what_cannot_be_understood_is_quarantined(
    text: str, said: str, to_workers: bool
) -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    queue = lab.hub.names.work_items if to_workers else lab.queue
    await lab.account.queues.put(queue, text)
    await actor.deliver()
    assert actor.refused == []
    assert await lab.empty()
    [record] = await lab.quarantined()
    assert said in record["reason"]
    assert (record["queue"], record["text"]) == (queue, text)


@in_virtual_time
async def test_a_message_whose_blob_is_too_large_is_quarantined() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await put_bad(lab)
    actor.hub.payloads._max_bytes = 100
    await actor.deliver()
    [record] = await lab.quarantined()
    assert "at most 100" in record["reason"]


@in_virtual_time
async def test_a_large_message_of_a_purged_instance_is_dropped() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.raise_event("E", "end")
    await actor.drain()
    assert await purge_instance(lab.hub, "i1")
    await lab.account.queues.put(lab.queue, encode_pointer("i1/message-x-EventRaised.json.gz"))
    await actor.deliver()
    assert await lab.empty()
    assert await lab.quarantined() == []


@in_virtual_time
async def test_a_blob_that_holds_another_pointer_is_quarantined() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.hub.payloads.write("i1/message-x.json.gz", encode_pointer("i1/message-x.json.gz"))
    await lab.account.queues.put(lab.queue, encode_pointer("i1/message-x.json.gz"))
    await actor.deliver()
    [record] = await lab.quarantined()
    assert "holds another pointer" in record["reason"]


@in_virtual_time
async def test_nothing_fires_before_its_time() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    due = lab.clock.now() + timedelta(days=8)
    fired = TimerFired(timestamp=lab.clock.now(), timer_id=0, fire_at=due)
    await lab.put(lab.event(fired))
    await actor.deliver()
    [(copy, visible)] = await lab.queued()
    assert copy.event == fired
    assert lab.in_seconds(visible) == 6 * 24 * 3600  # a week is the queue's limit
    assert copy.extras.failures == 0


@pytest.mark.parametrize(
    ("instance_id", "text", "reason"),
    [
        ("@counter@a", "{}", "Event 'op' for entity @counter@a"),
        ("@counter@a", "[]", "Event 'op' for entity @counter@a"),
        ("@counter@a", None, "should be a JSON object, found nothing"),
        ("@counter", '{"op":"add","id":"r","signal":true}', "is no entity's instance id"),
        ("@counter@", '{"op":"add","id":"r","signal":true}', "key must not be empty"),
    ],
)
@in_virtual_time
async def test_what_no_entity_can_be_told_stops_only_itself(
    instance_id: str, text: str | None, reason: str
) -> None:
    def counter(context: df.DurableEntityContext) -> None:
        context.set_state(context.get_state(lambda: 0) + context.get_input())

    lab = Lab(collect)
    lab.registry.add_entity(EntityDefinition(name="counter", function=counter))
    actor = await lab.actor()
    event = EventRaised(timestamp=lab.clock.now(), name="op", input=text)
    await lab.put(lab.event(event, instance_id=instance_id))
    good = '{"op":"add","signal":true,"input":"5","id":"r"}'
    event = EventRaised(timestamp=lab.clock.now(), name="op", input=good)
    await lab.put(lab.event(event, instance_id="@counter@a"))
    await actor.deliver()
    [record] = await lab.quarantined()
    assert reason in record["reason"]
    row = await lab.row("@counter@a")
    assert row.custom_status == '{"entityExists":true}'
    assert decode_state(row.input, "the state").state == "5"
    assert await lab.empty()


@in_virtual_time
async def test_closing_lets_live_orchestrators_go() -> None:
    closed: list[str] = []

    def tidy(context: Any) -> Steps:
        try:
            yield context.wait_for_external_event("E")
        finally:
            closed.append("closed")

    lab = Lab(tidy)
    actor = await lab.actor()
    await lab.start("tidy")
    await actor.deliver()
    assert len(actor.engine.sessions) == 1
    await actor.engine.close()
    assert (len(actor.engine.sessions), closed) == (0, ["closed"])


@pytest.mark.parametrize("renewed", [False, True])
def test_r7_a_lease_that_is_renewed_meanwhile_is_not_over(renewed: bool) -> None:
    run_simulation(_a_stall_of_46_seconds_under_a_lease_of_45(renewed))


async def _a_stall_of_46_seconds_under_a_lease_of_45(renewed: bool) -> None:
    lab = Lab(collect)
    await begun(lab)
    slow = await lab.actor()
    lease = Lease(lab.clock.monotonic() + 45)

    async def stall(number: int, operation: str, resource: str) -> None:
        if operation == "Query Entities":
            await lab.clock.sleep(46)
            if renewed:
                lease.until += 45

    slow.before = stall
    await lab.raise_event("E", 1)
    (message,) = await lab.account.queues.get(lab.queue, count=1, lease_seconds=45)
    try:
        await slow.engine.process_control_message(lab.queue, message, lease)
    except Unavailable:
        assert not renewed
    assert raised_inputs(await lab.events()) == (["1"] if renewed else [])


@in_virtual_time
async def test_a_work_item_that_is_no_activity_call_is_quarantined() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    start = ExecutionStarted(
        timestamp=lab.clock.now(), instance=InstanceRef(instance_id="i1"), name="collect"
    )
    await lab.put(lab.event(start), queue=lab.hub.names.work_items)
    await actor.deliver()
    [record] = await lab.quarantined()
    assert "ExecutionStarted, which is no activity call" in record["reason"]
