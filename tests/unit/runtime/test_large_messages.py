"""Of messages out of blobs so many bytes are held at once, and none waits for ever."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import pytest

from durable.engine.limits import EVENT_BYTES
from durable.errors import Unavailable
from durable.model.events import EventRaised, InstanceRef
from durable.model.messages import TaskMessage
from durable.model.status import RuntimeStatus
from durable.model.times import NO_TIME
from durable.runtime.delivery import Delivery
from durable.runtime.engine import Engine
from durable.runtime.large_messages import LargeMessages
from durable.runtime.settings import EngineSettings
from tests.hub_lab import Lab, in_virtual_time
from tests.unit.runtime.deliveries import settle
from tests.unit.runtime.fast_lab import BATCH

T = TypeVar("T")
LARGE = 100_000


def message(size: int) -> TaskMessage:
    event = EventRaised(timestamp=NO_TIME, name="go", input="x" * (size - EVENT_BYTES))
    target = InstanceRef(instance_id="i1")
    return TaskMessage(event=event, target=target, activity_id="a", sender=target)


class Reader:
    """Reads messages of the sizes it is told to, and notes what was let through."""

    def __init__(self, limit: int) -> None:
        self.large = LargeMessages(limit)
        self.reading = 0
        self.most = 0
        self.let_through: list[tuple[str, int]] = []

    async def read(self, name: str, size: int) -> None:
        async def read() -> TaskMessage:
            self.reading += 1
            self.most = max(self.most, self.reading)
            await asyncio.sleep(0)
            self.reading -= 1
            return message(size)

        _, room = await self.large.read(read)
        self.let_through.append((name, room))


async def test_each_takes_room_by_its_weight_until_it_is_given_back() -> None:
    reader = Reader(3_000)
    async with asyncio.TaskGroup() as group:
        for name, size in (("a", 1_000), ("b", 1_500), ("c", 1_000), ("d", 600)):
            group.create_task(reader.read(name, size))
        await settle()
        # d would fit beside a and b, but c came first.
        assert reader.let_through == [("a", 1_000), ("b", 1_500)]
        assert reader.large.free == 500
        reader.large.give_back(1_000)
        await settle()
        assert reader.let_through[2:] == [("c", 1_000)]
        reader.large.give_back(1_500)
        await settle()
        assert reader.let_through[3:] == [("d", 600)]
    for _, room in reader.let_through[2:]:
        reader.large.give_back(room)
    reader.large.give_back(0)
    assert reader.large.free == 3_000


async def test_one_that_is_larger_than_all_room_gets_all_of_it() -> None:
    reader = Reader(3_000)
    await reader.read("a", 50_000)
    assert reader.let_through == [("a", 3_000)]
    assert reader.large.free == 0


async def test_a_few_are_read_at_once() -> None:
    reader = Reader(10**6)
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(reader.read(str(number), 1_000))
    assert reader.most == 4


async def test_what_can_t_be_read_or_is_cancelled_takes_no_room() -> None:
    reader = Reader(1_000)

    async def fails() -> TaskMessage:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await reader.large.read(fails)
    await reader.read("a", 1_000)
    waiting = asyncio.create_task(reader.read("b", 1_000))
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    reader.large.give_back(1_000)
    await reader.read("c", 1_000)
    assert [name for name, _ in reader.let_through] == ["a", "c"]


def takes(context: Any) -> Generator[Any, Any, Any]:
    told = yield context.wait_for_external_event("go")
    return (yield context.call_activity("echo", len(told)))


def weight_in_flight() -> int:
    """Bytes of events that deliveries hold."""
    return sum(
        len(getattr(each.message.event, "input", None) or "")
        for each in gc.get_objects()
        if isinstance(each, Delivery)
    )


@pytest.mark.slow
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_an_engine_holds_no_more_of_them_however_many_come(fast: bool) -> None:
    @in_virtual_time
    async def test() -> None:
        limit = 5 * LARGE
        lab = Lab(takes, settings=EngineSettings(fast_path=fast, large_message_bytes=limit))
        peaks, commits = [0], itertools.count()

        async def door(service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
            await asyncio.sleep(0.01)
            if operation == BATCH and next(commits) % 5 == 0:  # it takes its time
                peaks.append(weight_in_flight())
            return call()

        actor = await lab.actor()
        actor.account._door.intercept = door
        ids = [f"i{number}" for number in range(40)]
        for each in ids:
            await lab.start("takes", instance_id=each)
        await actor.drain()
        for each in ids:
            await lab.raise_event("go", "x" * LARGE, instance_id=each)
        await actor.drain()
        # Those that have been read and wait for room come on top.
        assert LARGE < max(peaks) <= limit + 4 * LARGE
        for each in ids:
            row = await lab.row(each)
            assert (row.status, row.output) == (RuntimeStatus.COMPLETED, str(LARGE))
        engine: Engine = actor.engine
        assert engine._large.free == limit

    test()
