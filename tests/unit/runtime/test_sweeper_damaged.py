"""The sweeper over damaged instances: the others are looked after, these ever more rarely (R9)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from tests.hub_lab import Actor, Lab, in_virtual_time

Steps = Generator[Any, Any, Any]
HISTORY = "LabHistory"


def waits(context: Any) -> Steps:
    told = yield context.wait_for_external_event("go")
    return told


async def looked(lab: Lab, actor: Actor) -> int:
    """How often a sweep reads histories; it comes a minute after the one before."""
    await lab.clock.sleep(61)
    actor.calls.clear()
    await actor.sweep()
    return sum(resource.startswith(HISTORY) for _, resource in actor.calls)


@in_virtual_time
async def test_r9_what_cannot_be_understood_is_looked_at_ever_more_rarely() -> None:
    lab = Lab(waits)
    begun = await lab.actor()
    await lab.start("waits")
    await begun.drain()
    sentinel = await lab.hub.history.read_sentinel("i1")
    assert sentinel is not None
    await lab.merge_sentinel(CommittedCount=900)
    actor = await lab.actor()
    at_rest = 4  # a sentinel, tombstones
    assert await looked(lab, actor) > 50  # until it is sure that nobody is just writing
    assert await looked(lab, actor) <= at_rest
    reads = [await looked(lab, actor) for _ in range(70)]
    assert 3 <= sum(each > 50 for each in reads) <= 6
    # Repaired, it is looked at once more within the hour, and then as any other.
    await lab.merge_sentinel(CommittedCount=sentinel.committed_count)
    reads = [await looked(lab, actor) for _ in range(62)]
    assert max(reads) <= at_rest + 2
    assert sum(each > at_rest for each in reads) <= 1
    await lab.raise_event("go", 1)
    await actor.drain()
    assert await lab.output() == 1
