"""What a pass of the sweeper asks of storage: bounded, and the same pass after pass at rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from durable.errors import NotFound
from durable.runtime.settings import EngineSettings
from tests.hub_lab import Actor, Lab, in_virtual_time

Steps = Generator[Any, Any, Any]
MINUTE = 60.0


def collect(context: Any) -> Steps:
    event = yield context.wait_for_external_event("E")
    return event


async def cost(actor: Actor) -> Counter[str]:
    """The requests of one pass, by operation."""
    before = len(actor.calls)
    await actor.sweep()
    return Counter(operation for operation, _ in actor.calls[before:])


async def with_instances(waiting: int, ended: int) -> tuple[Lab, Actor]:
    """A hub with so many of each, mixed by name."""
    lab = Lab(collect, settings=EngineSettings(fast_path=False, session_limit=20))
    actor = await lab.actor()
    total = waiting + ended
    every = total // waiting if waiting else total + 1
    ids = [f"i{n:05}" for n in range(total)]
    waits = set(ids[::every][:waiting]) if waiting else set()
    for each in ids:
        await lab.start("collect", instance_id=each)
    await actor.drain()
    for each in ids:
        if each not in waits:
            await lab.raise_event("E", "end", instance_id=each)
    await actor.drain()
    await lab.clock.sleep(2 * MINUTE)
    return lab, await lab.actor()


SLOW = [pytest.mark.slow, pytest.mark.sweep]


@pytest.mark.parametrize(
    ("waiting", "ended", "most"),
    [
        (0, 0, 6),
        (0, 50, 6),
        (10, 0, 7),
        (10, 50, 7),
        pytest.param(10, 1000, 17, marks=SLOW),  # far apart: some are read one by one
        pytest.param(1000, 1000, 10, marks=SLOW),
    ],
)
@in_virtual_time
async def test_every_pass_at_rest_asks_the_same_little(waiting: int, ended: int, most: int) -> None:
    lab, sweeper = await with_instances(waiting, ended)
    first = (await cost(sweeper)).total()
    passes: list[Counter[str]] = []
    for _ in range(20):
        await lab.clock.sleep(MINUTE)
        passes.append(await cost(sweeper))
    assert all(each == passes[0] for each in passes)
    assert passes[0].total() <= most
    # The first pass of a process makes sure of the hub, and looks into each that waits.
    assert first <= most + 2 * waiting + 10


@in_virtual_time
async def test_a_start_whose_message_is_lost_again_and_again_is_put_ever_more_rarely() -> None:
    lab = Lab(collect)
    sweeper = await lab.actor()
    await lab.start("collect")
    put: list[int] = []
    for minute in range(181):
        for lost in await lab.account.queues.get(lab.queue, count=32, lease_seconds=1):
            await lab.account.queues.delete(lab.queue, lost.id, lost.pop_receipt)
        if (await cost(sweeper))["Put Message"]:
            put.append(minute)
        await lab.clock.sleep(MINUTE)
    assert put == [2, 4, 8, 16, 32, 64, 124]
    # Another process knows nothing of it, and puts it at once: that is bounded by restarts.
    assert (await cost(await lab.actor()))["Put Message"] == 1


@in_virtual_time
async def test_starts_that_wait_behind_others_are_not_put_again() -> None:
    """Under overload each pass would double what waits."""
    lab = Lab(collect)
    sweeper = await lab.actor()
    for n in range(50):
        await lab.start("collect", instance_id=f"i{n}")
    await lab.clock.sleep(10 * MINUTE)
    idle = await cost(sweeper)
    assert idle["Put Message"] == 0
    assert idle["Peek Messages"] == 1
    assert len(await lab.queued()) == 50
    # What the queue has come to by now was put later: this one's message is lost.
    [first, *_] = await lab.account.queues.get(lab.queue, count=1, lease_seconds=3600)
    await lab.account.queues.delete(lab.queue, first.id, first.pop_receipt)
    for _ in range(49):
        [each] = await lab.account.queues.get(lab.queue, count=1, lease_seconds=3600)
        assert each.id != first.id
    await lab.raise_event("E", "later", instance_id="i7")
    await lab.clock.sleep(MINUTE)
    before = len(await lab.queued())
    await sweeper.sweep()
    assert len(await lab.queued()) == before + 50  # the others are hidden: they may be lost as well


@in_virtual_time
async def test_a_queue_that_is_gone_is_no_reason_to_stop() -> None:
    lab = Lab(collect)
    sweeper = await lab.actor()
    await lab.start("collect")
    await lab.clock.sleep(2 * MINUTE)

    async def gone(number: int, operation: str, resource: str) -> None:
        if operation == "Peek Messages":
            raise NotFound("gone", operation=operation, resource=resource)

    sweeper.before = gone
    assert (await cost(sweeper))["List Queues"] == 1
