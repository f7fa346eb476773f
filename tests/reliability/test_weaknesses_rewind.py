"""W17: a rewind that a crash leaves half done, retries, and failures without any task."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from durable.client import Client
from durable.hub.rewinding import Rewinder
from durable.model.retry import RetryOptions
from durable.model.status import RuntimeStatus
from tests.hub_lab import Actor, Crash, Lab, crash_at, in_virtual_time
from tests.reliability.stories import Steps


class Shop:
    """A lab with an activity that fails until it is repaired."""

    def __init__(self) -> None:
        self.is_open = False
        self.runs = 0

        async def fixable(value: Any) -> Any:
            self.runs += 1
            if not self.is_open:
                raise ValueError("closed")
            return f"fixed {value}"

        def alone(context: Any) -> Steps:
            """Fails before it calls anything: there is no scheduled task to begin from."""
            if not self.is_open:
                raise ValueError("closed")
            return (yield context.call_activity("greet", "alone"))

        orchestrators = (single, stubborn, careful, alone)
        self.lab = Lab(*orchestrators, activities=[fixable])

    async def failed(self, name: str) -> Actor:
        """Instance i1 has failed, and could go on by now."""
        actor = await self.lab.actor()
        await self.lab.start(name)
        await actor.drain()
        assert (await self.lab.row()).status is RuntimeStatus.FAILED
        self.is_open = True
        return actor

    async def ends_with(self, expected: Any) -> None:
        actor = await self.lab.actor()
        await actor.drain()
        row = await self.lab.row()
        assert (row.status, await self.lab.output()) == (RuntimeStatus.COMPLETED, expected)


def single(context: Any) -> Steps:
    before = yield context.call_activity("greet", "before")
    return [before, (yield context.call_activity("fixable", "x"))]


def stubborn(context: Any) -> Steps:
    """Three attempts, with timers between them."""
    found = yield context.call_activity_with_retry("fixable", RetryOptions(1000, 3), "x")
    return [found, (yield context.call_activity("greet", "after"))]


def careful(context: Any) -> Steps:
    """Does something because of the failure, and fails then."""
    try:
        return (yield context.call_activity("fixable", "x"))
    except ValueError:
        yield context.call_activity("greet", "clean-up")
        raise


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@in_virtual_time
async def test_w17_a_rewind_that_a_crash_cut_short_is_finished_by_others(*, before: bool) -> None:
    """The client dies at each of its calls in turn: the instance is as it was, or goes on."""
    went_on = 0
    for number in itertools.count():
        shop = Shop()
        actor = await shop.failed("single")
        caller = await shop.lab.actor()
        crash_at(caller, number, before=before)
        try:
            await Rewinder(caller.hub).rewind("i1", "again")
        except Crash:
            pass
        else:
            assert went_on > 1
            return
        await shop.lab.clock.sleep(120)
        for _ in range(3):
            await actor.sweep()
            await shop.lab.clock.sleep(60)
        await actor.drain()
        journaled = (await shop.lab.history()).sentinel
        assert journaled is not None
        if journaled.rewind is None:
            assert (await shop.lab.row()).status is RuntimeStatus.FAILED
            assert shop.runs == 1
            await Rewinder(shop.lab.hub).rewind("i1", "again")
        else:
            went_on += 1
        await shop.ends_with(["Hello before!", "fixed x"])
        assert shop.lab.counts == {"greet:before": 1}
        assert shop.runs == 2


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("stubborn", ["fixed x", "Hello after!"]),
        ("careful", "fixed x"),
        ("alone", "Hello alone!"),
    ],
)
@in_virtual_time
async def test_w17_retries_steps_after_the_failure_and_failures_of_nothing(
    name: str, output: Any
) -> None:
    """There retry timers and later steps break the replay, and without a task nothing goes on."""
    shop = Shop()
    await shop.failed(name)
    await Client(shop.lab.hub).rewind("i1", "again")
    await shop.ends_with(output)
