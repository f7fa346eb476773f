"""Reading a queue: when it is looked at, how much is taken, what happens at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest

from durable.errors import Unavailable
from durable.runtime.polling import Backoff, QueueReader, Room
from durable.storage.memory import MemoryAccount
from durable.storage.values import QueueMessage
from tests.hub_lab import in_virtual_time
from tests.manual_clock import ManualClock
from tests.simulation.simloop import SimClock

T = TypeVar("T")


def test_the_waits_are_those_that_were_recorded(manual_clock: ManualClock) -> None:
    backoff = Backoff(30.0, manual_clock)
    waits = [backoff.next_wait() for _ in range(15)]
    assert waits[:9] == pytest.approx([0, 0.05, 0.1, 0.15, 0.25, 0.45, 0.85, 1.65, 3.25])
    assert waits[11:14] == pytest.approx([25.65, 30, 30])
    backoff.reset()
    assert [backoff.next_wait() for _ in range(2)] == [0, 0.05]


def test_the_waits_are_spread() -> None:
    backoff = Backoff(30.0, SimClock(1))
    waits = [backoff.next_wait() for _ in range(9)]
    for wait, middle in zip(waits[2:], [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2], strict=True):
        assert 0.8 * middle <= wait - 0.05 <= 1.2 * middle
        assert wait - 0.05 != middle


class Reading:
    """One reader of one queue; what it took stays in flight until `give_back`."""

    def __init__(self, room: Room | None = None, *, batch: int = 32, longest: float = 30.0) -> None:
        self.clock = SimClock(5)
        self.account = MemoryAccount(self.clock)
        self.room = room or Room(256)
        self.looks: list[float] = []
        self.taken: list[str] = []
        self.asked: list[float] = []
        self.failing = False
        self.latency = 0.0
        self.reader = QueueReader(
            self.account.opened_by(self._door).queues,
            "queue",
            self._take,
            room=self.room,
            batch=batch,
            lease_seconds=45,
            longest_wait_seconds=longest,
            clock=self.clock,
        )

    async def _door(self, service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
        if operation == "Get Messages":
            self.looks.append(self.clock.monotonic())
        if self.failing:
            raise Unavailable("away", operation=operation, resource=resource)
        answer = call()
        await self.clock.sleep(self.latency)
        return answer

    def _take(self, queue: str, message: QueueMessage, asked_at: float) -> None:
        assert queue == "queue"
        self.taken.append(message.text)
        self.asked.append(asked_at)

    async def put(self, *texts: str, delay: int = 0) -> None:
        for text in texts:
            await self.account.queues.put("queue", text, delay_seconds=delay)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.account.queues.create_queue("queue")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.reader.run())
            yield
            self.reader.stop()


@in_virtual_time
async def test_an_empty_queue_is_looked_at_ever_more_rarely_until_woken() -> None:
    reading = Reading()
    async with reading.running():
        await reading.clock.sleep(300)
        looks = [b - a for a, b in zip(reading.looks, reading.looks[1:], strict=False)]
        assert looks[0] == 0
        assert looks[1] == pytest.approx(0.05)
        assert looks[-3:] == pytest.approx([30, 30, 30])
        assert len(looks) < 25
        await reading.put("one")
        before = reading.clock.monotonic()
        reading.reader.wake()
        await reading.clock.sleep(0.01)
        assert reading.taken == ["one"]
        # A received message starts the waits anew.
        assert [each - before for each in reading.looks[-2:]] == pytest.approx([0, 0])
        await reading.clock.sleep(0.06)
        assert reading.looks[-1] - before == pytest.approx(0.05)


@in_virtual_time
async def test_a_wake_during_a_look_is_not_lost() -> None:
    reading = Reading()
    reading.latency = 1.0
    async with reading.running():
        await reading.clock.sleep(100)
        while not reading.reader.is_asking:
            await reading.clock.sleep(0.5)
        await reading.put("late")
        reading.reader.wake()
        await reading.clock.sleep(2.5)
        assert reading.taken == ["late"]


@in_virtual_time
async def test_it_looks_when_a_message_is_known_to_come_due() -> None:
    reading = Reading()
    async with reading.running():
        await reading.clock.sleep(200)
        await reading.put("timer", delay=7)
        due = reading.clock.monotonic() + 7
        for _ in range(3):
            reading.reader.wake_after(7)
        await reading.clock.sleep(9)
        assert reading.taken == ["timer"]
        assert due <= reading.asked[0] < due + 1.1


@in_virtual_time
async def test_what_comes_due_is_kept_in_mind_within_bounds() -> None:
    reading = Reading()
    async with reading.running():
        for seconds in range(5000):
            reading.reader.wake_after(10_000 + seconds)
        assert len(reading.reader._due) == 1000
    assert not reading.reader._due
    reading.reader.wake_after(5)
    assert not reading.reader._due


@in_virtual_time
async def test_no_more_is_taken_than_there_is_room_for() -> None:
    reading = Reading(Room(5), batch=3)
    async with reading.running():
        await reading.put(*"abcdefgh")
        await reading.clock.sleep(10)
        assert len(reading.taken) == 5
        looks = len(reading.looks)
        await reading.clock.sleep(100)
        assert len(reading.looks) == looks  # not even asked
        reading.room.release(2)
        await reading.clock.sleep(10)
        assert len(reading.taken) == 7


@in_virtual_time
async def test_another_bound_on_the_room_is_looked_at_again_and_again() -> None:
    free = 0
    reading = Reading(Room(5, lambda: free))
    async with reading.running():
        await reading.put(*"abc")
        await reading.clock.sleep(10)
        assert not reading.looks
        free = 2
        await reading.clock.sleep(0.1)
        assert len(reading.taken) >= 2


@in_virtual_time
async def test_what_arrives_after_the_end_goes_back_at_once() -> None:
    reading = Reading()
    reading.latency = 1.0
    async with reading.running():
        await reading.put("late")
        await reading.clock.sleep(0.5)
        assert reading.reader.is_asking
    assert reading.taken == []
    (left,) = await reading.account.queues.peek("queue")
    assert left.text == "late"
    assert reading.room.reserve(1000) == 256


@in_virtual_time
async def test_a_reader_that_waits_for_room_ends_when_told_to() -> None:
    reading = Reading(Room(0))
    async with reading.running():
        await reading.clock.sleep(1)
    assert not reading.looks


def test_trouble_with_storage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    @in_virtual_time
    async def test() -> None:
        reading = Reading(longest=1.0)
        reading.failing = True
        async with reading.running():
            await reading.clock.sleep(60)
            reading.failing = False
            await reading.put("after")
            await reading.clock.sleep(2)
            assert reading.taken == ["after"]

    with caplog.at_level(logging.INFO, logger="durable.worker"):
        test()
    said = [record.getMessage() for record in caplog.records if record.name == "durable.worker"]
    assert len(said) == 2
    assert said[0].startswith("queue cannot be read, trying again: ")
    assert said[1] == "queue can be read again"


@in_virtual_time
async def test_it_looks_often_for_as_long_as_it_was_told() -> None:
    reading = Reading()
    async with reading.running():
        await reading.clock.sleep(200)
        reading.looks.clear()
        reading.reader.look_often(30)
        told = reading.clock.monotonic()
        await reading.clock.sleep(300)
        waits = [b - a for a, b in zip([told, *reading.looks], reading.looks, strict=False)]
        soon = [each for each, at in zip(waits, reading.looks, strict=True) if at <= told + 30]
        assert max(soon) <= 1.0
        assert sum(soon) > 28
        assert waits[-2:] == pytest.approx([30, 30])
