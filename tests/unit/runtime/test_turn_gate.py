"""Turns of chains that are under way write before those that begin."""

from __future__ import annotations

import asyncio

import pytest

from durable.runtime.turn_gate import TurnGate
from tests.unit.runtime.deliveries import settle


class Turns:
    """Turns that end when they are told, in the order in which they got a place."""

    def __init__(self, limit: int) -> None:
        self.gate = TurnGate(limit)
        self.order: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    async def run(self, name: str) -> None:
        self._ends[name] = asyncio.Event()
        async with self.gate.turn(goes_on=name.startswith("going")):
            self.order.append(name)
            await self._ends[name].wait()

    def end(self, name: str) -> None:
        self._ends[name].set()

    def end_all(self) -> None:
        for each in self._ends.values():
            each.set()


async def test_no_more_than_the_limit_have_a_place() -> None:
    turns = Turns(2)
    async with asyncio.TaskGroup() as group:
        for name in ("new 1", "new 2", "new 3"):
            group.create_task(turns.run(name))
        await settle()
        assert turns.order == ["new 1", "new 2"]
        turns.end("new 1")
        await settle()
        assert turns.order == ["new 1", "new 2", "new 3"]
        turns.end_all()


async def test_what_is_under_way_comes_before_what_begins_each_in_turn() -> None:
    turns = Turns(1)
    names = ["new 0", "new 1", "going 1", "new 2", "going 2"]
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(turns.run(name))
            await settle()
        turns.end_all()
    assert turns.order == ["new 0", "going 1", "going 2", "new 1", "new 2"]


async def test_a_failure_gives_its_place_back() -> None:
    gate = TurnGate(1)
    with pytest.raises(ValueError, match="no"):
        async with gate.turn(goes_on=False):
            raise ValueError("no")
    async with gate.turn(goes_on=True):
        pass


@pytest.mark.parametrize("name", ["going", "new"])
async def test_who_is_cancelled_while_it_waits_takes_no_place(name: str) -> None:
    turns = Turns(1)
    async with asyncio.TaskGroup() as group:
        group.create_task(turns.run("new first"))
        await settle()
        waiting = group.create_task(turns.run(name))
        await settle()
        waiting.cancel()
        await settle()
        assert waiting.cancelled()
        group.create_task(turns.run("new last"))
        await settle()
        turns.end_all()
    assert turns.order == ["new first", "new last"]


async def test_who_is_cancelled_as_a_place_is_given_on_is_cancelled_and_no_more() -> None:
    turns = Turns(1)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(turns.run("new first"))
        await settle()
        waiting = group.create_task(turns.run("new second"))
        await settle()
        first.cancel()  # gives its place on, in the step in which the other hears of its own end
        waiting.cancel()
        await settle()
        assert waiting.cancelled()
        group.create_task(turns.run("new last"))
        await settle()
        assert turns.order == ["new first", "new last"]
        turns.end_all()


async def test_who_is_cancelled_with_its_place_just_given_hands_it_on() -> None:
    turns = Turns(1)
    gate = turns.gate

    async def hold() -> None:
        async with gate.turn(goes_on=False):
            await settle()
        waiting.cancel()  # it has the place, and doesn't know yet

    async with asyncio.TaskGroup() as group:
        group.create_task(hold())
        await asyncio.sleep(0)
        waiting = group.create_task(turns.run("new second"))
        group.create_task(turns.run("new last"))
        await settle()
        await settle()
        assert waiting.cancelled()
        assert turns.order == ["new last"]
        turns.end_all()
