"""What ends in quarantine, what does not, and what its reason tells."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from durable.hub.quarantine import Quarantine, QuarantineQuery
from durable.hub.quarantine_records import QuarantinedMessage
from durable.model.events import EventRaised, TaskCompleted, TraceContext
from durable.model.messages import Cause, Extras, TaskMessage
from durable.runtime.settings import EngineSettings
from durable.wire.envelopes import encode_message, encode_pointer
from tests.hub_lab import Actor, Lab, in_virtual_time

Steps = Generator[Any, Any, Any]
SECRET = "what-nobody-may-read"


def collect(context: Any) -> Steps:
    got: list[Any] = []
    while True:
        event = yield context.wait_for_external_event("E")
        if event == "end":
            return got
        got.append(event)


async def begun(lab: Lab) -> Actor:
    actor = await lab.actor()
    await lab.start("collect")
    await actor.deliver()
    return actor


def unwritable(lab: Lab) -> TaskMessage:
    """It can be read, and never be written into a history: a column over the service's limit."""
    event = EventRaised(
        timestamp=lab.clock.now(),
        name="E",
        input=f'"{SECRET}"',
        parent_trace_context=TraceContext(trace_parent="t" * 70_000),
    )
    return lab.event(event, extras=Extras(mark=True, identity="c:bad"))


async def quarantined(lab: Lab) -> list[QuarantinedMessage]:
    page = await Quarantine(lab.hub).page(QuarantineQuery(with_text=True), size=100)
    assert page.continuation_token is None
    return list(page.messages)


@in_virtual_time
async def test_what_always_comes_with_a_bad_message_is_not_counted_against() -> None:
    lab = Lab(collect, settings=EngineSettings(fast_path=False, failure_limit=5))
    actor = await begun(lab)
    await lab.hub.outbox.put(lab.queue, unwritable(lab), delay_seconds=0)
    for number in range(5):
        await lab.raise_event("E", number)
        await lab.raise_event("E", number)
        while await actor.deliver():
            pass
        left = [message for message, _ in await lab.queued()]
        assert all(message.extras.failures == 0 for message in left if message != left[0])
        await lab.clock.sleep(60)
    await actor.drain()
    [found] = await quarantined(lab)
    assert (found.instance_id, found.kind, found.failures) == ("i1", "EventRaised", 5)
    await lab.raise_event("E", "end")
    await actor.drain()
    assert sorted(await lab.output()) == sorted([*range(5), *range(5)])


@in_virtual_time
async def test_a_replayed_message_has_all_its_chances_again() -> None:
    lab = Lab(collect, settings=EngineSettings(fast_path=False, failure_limit=3))
    actor = await begun(lab)
    await lab.hub.outbox.put(lab.queue, unwritable(lab), delay_seconds=0)
    await actor.drain()
    [found] = await quarantined(lab)
    assert await Quarantine(lab.hub).replay(found.id)
    await actor.deliver()
    [(again, _)] = await lab.queued()
    assert (again.extras.failures, again.extras.identity) == (1, "c:bad")
    await actor.drain()
    [found] = await quarantined(lab)
    assert found.failures == 3


@in_virtual_time
async def test_what_can_be_read_but_not_be_put_off_is_kept_at_once() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    event = EventRaised(timestamp=lab.clock.now(), name="E", input=f'"{"x" * 50_000}"')
    message = lab.event(event, instance_id="a\\b")  # a blob's name can't hold that
    await lab.put(message)
    await actor.deliver()
    assert actor.refused == []
    assert await lab.empty()
    [found] = await quarantined(lab)
    assert found.instance_id == "a\\b"
    assert found.reason.startswith("It can't be put off: ")
    assert found.text == encode_message(message)


def bad_messages(lab: Lab) -> list[str]:
    """One for each way into quarantine, with a payload in it."""
    now = lab.clock.now()
    raised = lab.raised("E", SECRET)
    waited = Extras(since=now.replace(year=2020), cause=Cause.INSTANCE)
    answer = TaskCompleted(timestamp=now, task_id=77, result=f'"{SECRET}"')
    of_entity = EventRaised(timestamp=now, name="op", input=f'"{SECRET}"')
    good = encode_message(raised)
    return [
        SECRET,
        good[:-1],
        good.replace('"EventId":-1', '"EventId":"x"'),
        good.replace("EventRaisedEvent", "NoEvent"),
        encode_pointer("i1/message-gone-EventRaised.json.gz"),
        encode_message(replace(raised, extras=replace(waited, identity="c:1"))).replace(
            '"InstanceId":"i1"', '"InstanceId":"nobody"'
        ),
        encode_message(lab.event(answer, extras=waited)),
        encode_message(lab.event(of_entity, instance_id="@counter@a")),
    ]


class Told(logging.Handler):
    """What was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@in_virtual_time
async def test_reasons_say_what_can_be_done_and_hold_no_payload() -> None:
    handler = Told()
    logger = logging.getLogger("durable")
    logger.addHandler(handler)
    try:
        lab = Lab(collect, settings=EngineSettings(fast_path=False, failure_limit=2))
        actor = await begun(lab)
        wanted = bad_messages(lab)
        for text in wanted:
            await lab.account.queues.put(lab.queue, text)
        await lab.hub.outbox.put(lab.queue, unwritable(lab), delay_seconds=0)
        stray = encode_message(lab.raised("E", SECRET))
        await lab.account.queues.put(lab.hub.names.work_items, stray)
        await actor.drain()
    finally:
        logger.removeHandler(handler)
    found = await quarantined(lab)
    assert len(found) == len(wanted) + 2
    assert sum(SECRET in (each.text or "") for each in found) >= len(wanted)
    for each in found:
        assert SECRET not in each.reason
        assert each.reason.endswith("iscard it."), each.reason
    told = "\n".join(handler.messages)
    assert SECRET not in told
    for each in found:
        assert each.id in told
