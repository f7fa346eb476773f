"""Activities whose process dies of them are found out; those that died with them are not blamed."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Generator
from typing import Any

import pytest

from durable.errors import Unavailable
from durable.model.events import TaskFailed, TaskScheduled
from durable.model.messages import Extras
from durable.model.status import RuntimeStatus
from durable.runtime import suspects as suspects_module
from durable.runtime.suspects import MOST_DEATHS, UNSUSPECTED_DELIVERIES, suspected_text
from durable.wire.envelopes import decode_message, encode_message, encode_pointer
from tests.hub_lab import Actor, Crash, Lab, in_virtual_time
from tests.simulation.simloop import run_simulation

Steps = Generator[Any, Any, Any]


def works(context: Any) -> Steps:
    return (yield context.call_activity("work", context.get_input()))


def careful(context: Any) -> Steps:
    try:
        return (yield context.call_activity("work", context.get_input()))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


class Deadly(Lab):
    """Its activity `work` ends the process that runs it, when its argument says so."""

    def __init__(self, *orchestrators: Any) -> None:
        self.begun: list[object] = []
        self.gate = asyncio.Event()
        self.process: Actor | None = None

        async def work(value: Any) -> Any:
            self.begun.append(value)
            if value == "deadly":
                assert self.process is not None
                self.process.crash()
            if value == "slow":
                await self.gate.wait()
            return value

        super().__init__(*orchestrators, activities=[work])

    async def life(self) -> Actor:
        """Another process; what the last one held comes back to it."""
        await self.clock.sleep(700)
        self.process = await self.actor()
        return self.process

    async def lives(self, count: int) -> None:
        """So many processes, one after the other, that see to what there is and die of it."""
        for _ in range(count):
            process = await self.life()
            with contextlib.suppress(Crash, BaseExceptionGroup):
                await process.deliver()

    async def marks(self) -> list[dict[str, Any]]:
        found = await self.blobs(self.hub.names.keys)
        return [json.loads(data) for name, data in found.items() if name.startswith("suspects/")]


async def begun(lab: Deadly, name: str, *values: object) -> None:
    """Instances whose work items are in the queue."""
    actor = await lab.actor()
    for value in values:
        await lab.start(name, value, instance_id=f"i-{value}")
    await actor.deliver()


@in_virtual_time
async def test_an_activity_that_ends_its_process_each_time_is_failed_at_last() -> None:
    lab = Deadly(careful)
    await begun(lab, "careful", "deadly")
    await lab.lives(UNSUSPECTED_DELIVERIES)
    assert await lab.marks() == []  # nothing is asked of storage for what came back once or twice
    await lab.lives(MOST_DEATHS)
    assert len(lab.begun) == UNSUSPECTED_DELIVERIES + MOST_DEATHS
    assert await lab.marks() == [{"instanceId": "i-deadly", "taskId": 0, "begun": MOST_DEATHS}]
    await (await lab.life()).drain()
    assert len(lab.begun) == UNSUSPECTED_DELIVERIES + MOST_DEATHS
    output = await lab.output("i-deadly")
    assert output.startswith("ActivityFailed: ")
    assert f"'work' was begun {MOST_DEATHS} times" in output
    assert await lab.marks() == []
    assert await lab.quarantined() == []
    [failed] = [e for e in await lab.events("i-deadly") if isinstance(e, TaskFailed)]
    assert failed.failure is not None
    assert failed.failure.error_type == "durable.errors.ActivityCrashed"
    assert failed.failure.is_non_retriable


@in_virtual_time
async def test_what_dies_with_it_is_not_blamed() -> None:
    lab = Deadly(works)
    values = ["deadly", *range(10)]
    await begun(lab, "works", *values)
    lives = 0
    while not await lab.empty() and lives < 40:
        await lab.lives(1)
        lives += 1
    for value in values[1:]:
        assert await lab.output(f"i-{value}") == value
    assert (await lab.row("i-deadly")).status is RuntimeStatus.FAILED
    assert lab.begun.count("deadly") == UNSUSPECTED_DELIVERIES + MOST_DEATHS
    assert await lab.marks() == []
    assert await lab.quarantined() == []


@in_virtual_time
async def test_a_suspect_that_is_innocent_ends_as_any_other_and_leaves_nothing() -> None:
    lab = Deadly(works)
    await begun(lab, "works", "harmless")
    for _ in range(UNSUSPECTED_DELIVERIES):  # processes that died with it, of whatever
        await lab.clock.sleep(700)
        await lab.account.queues.get(lab.hub.names.work_items, count=32, lease_seconds=600)
    process = await lab.life()
    await process.deliver()
    asked = [operation for operation, about in process.calls if "keys" in about]
    assert asked == ["Get Blob", "Put Blob", "Create Container", "Put Blob", "Delete Blob"]
    await process.drain()
    assert await lab.output("i-harmless") == "harmless"
    assert await lab.marks() == []


@in_virtual_time
async def test_a_suspect_that_finds_another_one_comes_back_later_and_is_one_still() -> None:
    lab = Deadly(works)
    await begun(lab, "works", "slow", "quick")
    for _ in range(UNSUSPECTED_DELIVERIES):
        await lab.clock.sleep(700)
        await lab.account.queues.get(lab.hub.names.work_items, count=32, lease_seconds=600)
    process = await lab.life()
    async with asyncio.TaskGroup() as group:
        group.create_task(process.deliver())
        await lab.clock.sleep(8)
        assert lab.begun == ["slow"]
        [copy] = [m for m, at in await lab.queued(lab.hub.names.work_items) if m.extras.failures]
        assert (copy.target.instance_id, copy.extras.failures) == ("i-quick", 1)
        lab.gate.set()
    await process.drain()
    assert lab.begun == ["slow", "quick"]
    assert await lab.marks() == []


@in_virtual_time
async def test_many_that_are_innocent_have_their_turns_one_after_another() -> None:
    """What one death brought back is not put off again and again, each time for all but one."""
    lab = Deadly(works)
    await begun(lab, "works", *range(20))
    for _ in range(UNSUSPECTED_DELIVERIES):
        await lab.clock.sleep(700)
        await lab.account.queues.get(lab.hub.names.work_items, count=32, lease_seconds=600)
    process = await lab.life()
    began = lab.clock.monotonic()
    await process.drain()
    assert sorted(map(str, lab.begun)) == sorted(map(str, range(20)))
    assert lab.clock.monotonic() - began < 30.0
    assert await lab.marks() == []


@in_virtual_time
async def test_one_that_is_let_go_in_good_order_is_not_blamed() -> None:
    lab = Deadly(works)
    await begun(lab, "works", "slow")
    for _ in range(UNSUSPECTED_DELIVERIES):
        await lab.clock.sleep(700)
        await lab.account.queues.get(lab.hub.names.work_items, count=32, lease_seconds=600)
    process = await lab.life()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(process.deliver())
        await lab.clock.sleep(5)
        assert [mark["begun"] for mark in await lab.marks()] == [1]
        running.cancel()
    assert await lab.marks() == []


def test_a_mark_that_cannot_be_removed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = Deadly(works)
        await begun(lab, "works", "harmless")
        for _ in range(UNSUSPECTED_DELIVERIES):
            await lab.clock.sleep(700)
            await lab.account.queues.get(lab.hub.names.work_items, count=32, lease_seconds=600)
        process = await lab.life()
        process.failing["Delete Blob"] = Unavailable("away", operation="Delete Blob")
        await process.drain()
        assert await lab.output("i-harmless") == "harmless"
        assert lab.begun == ["harmless"]

    test()
    assert "the mark of activity 'work' stays: away" in caplog.text


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"begun": "x"}', b"{}"])
@in_virtual_time
async def test_a_mark_that_cannot_be_understood_counts_as_none(data: bytes) -> None:
    lab = Deadly(works)
    await begun(lab, "works", "deadly")
    await lab.lives(UNSUSPECTED_DELIVERIES + 1)
    [name] = [n for n in await lab.blobs(lab.hub.names.keys) if n.startswith("suspects/")]
    await lab.account.blobs.put_blob(lab.hub.names.keys, name, data)
    await lab.lives(1)
    assert [mark["begun"] for mark in await lab.marks()] == [1]


@in_virtual_time
async def test_what_the_host_moved_to_the_poison_queue_stays_under_suspicion() -> None:
    """The host's count begins anew with each copy, and its limit may be lower than ours."""
    lab = Deadly(works)
    await begun(lab, "works", "deadly")
    names = lab.hub.names
    poison = names.poison_queue(names.work_items)
    await lab.account.queues.create_queue(poison)
    for _ in range(MOST_DEATHS):
        [message] = await lab.account.queues.get(names.work_items, count=1, lease_seconds=600)
        await lab.account.queues.put(poison, message.text)
        await lab.account.queues.delete(names.work_items, message.id, message.pop_receipt)
        sweeper = await lab.actor()
        await sweeper.sweep()
        await lab.lives(1)
        await lab.clock.sleep(700)
    assert [mark["begun"] for mark in await lab.marks()] == [MOST_DEATHS]
    await (await lab.life()).drain()
    assert (await lab.row("i-deadly")).status is RuntimeStatus.FAILED


def test_a_text_that_is_no_message_stays_as_it_is() -> None:
    for text in ("nonsense", "{}", encode_pointer("i1/message-1-TaskScheduled.json.gz")):
        assert suspected_text(text) == text


def test_a_suspicion_keeps_what_is_known_of_failures() -> None:
    async def made() -> None:
        lab = Lab()
        event = TaskScheduled(timestamp=lab.clock.now(), event_id=0, name="work")
        for failures, expected in ((0, 1), (1, 1), (4, 4)):
            message = lab.event(event, extras=Extras(mark=True, failures=failures))
            found = decode_message(suspected_text(encode_message(message)))
            assert found.extras.failures == expected  # type: ignore[union-attr]

    run_simulation(made())
    assert suspects_module.UNSUSPECTED_DELIVERIES < 5  # the host's default maxDequeueCount
