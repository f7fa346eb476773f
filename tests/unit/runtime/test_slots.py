"""Places for work that runs at once."""

from __future__ import annotations

import asyncio

import pytest

from durable.runtime.slots import Slots
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
