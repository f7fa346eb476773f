"""Places for work that runs at once."""

from __future__ import annotations

import asyncio

import pytest

from durable.runtime.slots import Slots
from tests.hub_lab import in_virtual_time
from tests.unit.runtime.deliveries import settle


class Work:
    """Takes a place, and keeps it until it is told."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.inside = 0
        self.end = asyncio.Event()

    async def run(self) -> None:
        async with self.slots:
            self.inside += 1
            await self.end.wait()
        self.inside -= 1


async def test_no_more_are_inside_than_there_are_places() -> None:
    slots = Slots(2)
    work = Work(slots)
    assert slots.free == 2
    async with asyncio.TaskGroup() as group:
        for expected in (1, 0, -1, -2):
            group.create_task(work.run())
            await settle()
            assert slots.free == expected
        assert work.inside == 2
        work.end.set()
    assert (slots.free, work.inside) == (2, 0)


async def test_who_is_cancelled_while_it_waits_takes_no_place() -> None:
    slots = Slots(1)
    work = Work(slots)
    async with asyncio.TaskGroup() as group:
        group.create_task(work.run())
        await settle()
        waiting = group.create_task(work.run())
        await settle()
        assert slots.free == -1
        waiting.cancel()
        await settle()
        assert (slots.free, work.inside) == (0, 1)
        work.end.set()
    assert slots.free == 1


async def test_a_failure_inside_gives_the_place_back() -> None:
    slots = Slots(1)
    with pytest.raises(ValueError, match="no"):
        async with slots:
            raise ValueError("no")
    assert slots.free == 1


async def test_who_is_to_be_alone_waits_for_the_others_and_keeps_new_ones_out() -> None:
    slots = Slots(3)
    before, after = Work(slots), Work(slots)
    guarded, end = asyncio.Event(), asyncio.Event()

    async def alone() -> None:
        async with slots.alone(settle_seconds=60, alone_seconds=60):
            assert (before.inside, after.inside) == (0, 0)
            guarded.set()
            await end.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(before.run())
        await settle()
        group.create_task(alone())
        await settle()
        assert slots.is_guarded
        assert slots.free == 0
        group.create_task(after.run())
        await settle()
        assert (before.inside, after.inside, guarded.is_set()) == (1, 0, False)
        before.end.set()
        await settle()
        assert guarded.is_set()
        assert (after.inside, slots.free) == (0, 0)
        end.set()
        await settle()
        assert (after.inside, slots.is_guarded) == (1, False)
        after.end.set()
    assert slots.free == 3


@in_virtual_time
async def test_what_takes_long_keeps_nobody_up() -> None:
    slots = Slots(3)
    before, after = Work(slots), Work(slots)
    end = asyncio.Event()
    began: list[float] = []

    async def alone() -> None:
        async with slots.alone(settle_seconds=1, alone_seconds=2):
            began.append(asyncio.get_running_loop().time())
            await end.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(before.run())
        await settle()
        group.create_task(alone())
        await settle()
        group.create_task(after.run())
        await asyncio.sleep(2.5)
        assert began == [1.0]  # though the first one is still inside
        assert (before.inside, after.inside) == (1, 0)
        await asyncio.sleep(1)
        assert (after.inside, slots.free, slots.is_guarded) == (1, 0, True)
        for event in (before.end, after.end, end):
            event.set()
    assert (slots.free, slots.is_guarded) == (3, False)


async def test_who_is_cancelled_at_the_door_takes_no_place() -> None:
    slots = Slots(1)
    work = Work(slots)
    end = asyncio.Event()

    async def alone() -> None:
        async with slots.alone(settle_seconds=60, alone_seconds=60):
            await end.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(alone())
        await settle()
        waiting = group.create_task(work.run())
        await settle()
        waiting.cancel()
        await settle()
        end.set()
    assert (slots.free, work.inside) == (1, 0)


async def test_who_gives_up_before_it_is_alone_opens_the_door() -> None:
    slots = Slots(2)
    work, late = Work(slots), Work(slots)

    async def alone() -> None:
        async with slots.alone(settle_seconds=60, alone_seconds=60):
            pytest.fail("the other never left")

    async with asyncio.TaskGroup() as group:
        group.create_task(work.run())
        await settle()
        waiting = group.create_task(alone())
        await settle()
        waiting.cancel()
        group.create_task(late.run())
        await settle()
        assert (late.inside, slots.is_guarded) == (1, False)
        for each in (work, late):
            each.end.set()
    assert slots.free == 2
