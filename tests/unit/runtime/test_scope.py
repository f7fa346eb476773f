"""An invocation lasts as long as what it causes."""

from __future__ import annotations

import asyncio

import pytest

from durable.runtime.scope import Invocation
from tests.hub_lab import in_virtual_time
from tests.simulation.simloop import SimClock


class Bench:
    """An invocation, and notes of what ended when."""

    def __init__(self) -> None:
        self.clock = SimClock(1)
        self.invocation = Invocation(self.clock, hand_over_seconds=5.0)
        self.ended: list[tuple[str, float]] = []

    async def work(self, name: str, seconds: float, *then: tuple[str, float]) -> None:
        await self.clock.sleep(seconds)
        for following, its_seconds in then:
            self.invocation.spawn(self.work(following, its_seconds))
        self.ended.append((name, self.clock.monotonic()))


@in_virtual_time
async def test_it_waits_for_what_was_spawned_and_for_what_that_spawned() -> None:
    bench = Bench()

    async def body() -> None:
        bench.invocation.spawn(bench.work("a", 3, ("b", 4)))
        await bench.work("body", 1)

    await bench.invocation.run(body())
    assert bench.ended == [("body", 1), ("a", 3), ("b", 7)]


@in_virtual_time
async def test_what_its_body_raises_comes_after_the_rest_has_ended() -> None:
    bench = Bench()

    async def body() -> None:
        bench.invocation.spawn(bench.work("a", 3))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await bench.invocation.run(body())
    assert bench.ended == [("a", 3)]


@in_virtual_time
async def test_what_spawned_work_raises_ends_it_as_it_is() -> None:
    bench = Bench()

    async def broken() -> None:
        await bench.clock.sleep(1)
        raise KeyError("broken")

    async def body() -> None:
        bench.invocation.spawn(broken())
        bench.invocation.spawn(bench.work("a", 3))

    with pytest.raises(KeyError, match="broken"):
        await bench.invocation.run(body())
    assert bench.ended == []


@in_virtual_time
async def test_when_it_is_cancelled_so_is_what_it_spawned() -> None:
    bench = Bench()

    async def body() -> None:
        bench.invocation.spawn(bench.work("a", 3))
        await bench.work("body", 9)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(bench.invocation.run(body()))
        await bench.clock.sleep(1)
        running.cancel()
    assert running.cancelled()
    assert bench.ended == []


@in_virtual_time
async def test_it_takes_messages_over_for_a_while_only() -> None:
    bench = Bench()
    assert bench.invocation.serves("hub-control-00")
    await bench.clock.sleep(4.9)
    assert bench.invocation.serves("hub-control-01")
    await bench.clock.sleep(0.1)
    assert not bench.invocation.serves("hub-control-00")


@in_virtual_time
async def test_nothing_is_spawned_before_it_runs() -> None:
    bench = Bench()
    work = bench.work("a", 3)
    with pytest.raises(AssertionError, match="only work of an invocation"):
        bench.invocation.spawn(work)
    work.close()
