"""Workers share partitions in virtual time: evenly, soon, and never two on one queue.

`Fleet` notes at every call and four times a second whether a queue has two readers, or a reader
that is not its row's owner; every test ends with there having been none.
"""

from __future__ import annotations

import random

import pytest

from tests.hub_lab import in_virtual_time
from tests.simulation.partition_fleet import Fleet

START_OR_STOP_SECONDS = 30.0
KILL_SECONDS = 45.0

HUBS = [(1, 1), (1, 16), (2, 1), (2, 4), (3, 4), (3, 16), (4, 10), (5, 4), (5, 7), (5, 16)]


async def started(fleet: Fleet, workers: int, *, busy_seconds: float = 0.0) -> random.Random:
    """Some at once, some later; their clocks are wrong by seconds."""
    chance = random.Random(f"{workers} {len(fleet.queues)}")
    for n in range(workers):
        fleet.start(f"w{n}", skew=chance.uniform(-4, 4), busy_seconds=busy_seconds)
        await fleet.passes(chance.choice([0, 0, 1, 7]))
    await fleet.even_within(START_OR_STOP_SECONDS)
    await fleet.passes(chance.uniform(0, 10))
    return chance


@pytest.mark.slow
@pytest.mark.parametrize("busy_seconds", [0.0, 3.0])
@pytest.mark.parametrize(("workers", "partitions"), HUBS)
@in_virtual_time
async def test_starts_stops_and_kills(workers: int, partitions: int, busy_seconds: float) -> None:
    async with Fleet(partitions) as fleet:
        await started(fleet, workers, busy_seconds=busy_seconds)
        fleet.start("late", busy_seconds=busy_seconds)
        await fleet.even_within(START_OR_STOP_SECONDS)
        assert await fleet.stop("w0") < busy_seconds + 3
        await fleet.even_within(START_OR_STOP_SECONDS)
        fleet.start("later", busy_seconds=busy_seconds)
        await fleet.even_within(START_OR_STOP_SECONDS)
        fleet.kill("late")
        await fleet.even_within(KILL_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "partitions"), [(2, 4), (3, 16), (5, 7)])
@in_virtual_time
async def test_a_worker_that_storage_does_not_answer_for_a_minute(
    workers: int, partitions: int
) -> None:
    async with Fleet(partitions) as fleet:
        await started(fleet, workers)
        fleet.cut_off("w1")
        even_after = await fleet.even_within(KILL_SECONDS)
        assert fleet.workers["w1"].owned == frozenset()
        await fleet.passes(60 - even_after)
        fleet.reconnect("w1")
        await fleet.even_within(START_OR_STOP_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "partitions"), [(3, 4), (5, 16)])
@in_virtual_time
async def test_half_of_the_workers_die_at_once(workers: int, partitions: int) -> None:
    async with Fleet(partitions) as fleet:
        await started(fleet, workers)
        for n in range(workers // 2 + 1):
            fleet.kill(f"w{n}")
        await fleet.even_within(KILL_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize("dies_after", [0.5, 4.0, 10.5])
@in_virtual_time
async def test_a_worker_dies_while_partitions_come_to_it(dies_after: float) -> None:
    """Marked, drained for it, or given back to it: whoever is left takes them."""
    async with Fleet(8) as fleet:
        await started(fleet, 2, busy_seconds=2.0)
        fleet.start("late")
        await fleet.passes(dies_after)
        fleet.kill("late")
        await fleet.even_within(KILL_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@in_virtual_time
async def test_lost_requests_and_answers(seed: int) -> None:
    """One request of ten fails, some after it took effect; nothing retries them."""
    chance = random.Random(seed)
    async with Fleet(chance.choice([4, 9, 16]), seed, latency=0.3) as fleet:
        for n in range(4):
            fleet.start(f"w{n}", skew=chance.uniform(-4, 4), busy_seconds=1.0).lost = 0.1
        for n in range(4, 9):
            await fleet.passes(chance.uniform(0, 40))
            gone = chance.choice(sorted(fleet.workers))
            if chance.random() < 0.5:
                await fleet.stop(gone)
            else:
                fleet.kill(gone)
            fleet.start(f"w{n}", busy_seconds=1.0).lost = 0.1
        for worker in fleet.workers.values():
            worker.lost = 0.0
        await fleet.even_within(KILL_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize("partitions", [4, 10])
@pytest.mark.parametrize("originals", ["yn", "ny", "yny", "nnyy"])
@in_virtual_time
async def test_our_workers_and_the_originals_share_a_hub(originals: str, partitions: int) -> None:
    async with Fleet(partitions) as fleet:
        for n, original in enumerate(originals):
            fleet.start(f"w{n}", skew=n - 1.0, busy_seconds=0.5, original=original == "y")
            await fleet.passes(n)
        await fleet.even_within(START_OR_STOP_SECONDS)
        await fleet.stop("w0")
        await fleet.even_within(START_OR_STOP_SECONDS)
        fleet.start("late", original=originals[0] == "y")
        await fleet.even_within(START_OR_STOP_SECONDS)
        fleet.kill("w1")
        # The original claims all that is free; what is too much for it is taken back.
        await fleet.even_within(KILL_SECONDS + 15)


@pytest.mark.parametrize(("workers", "partitions", "most"), [(1, 4, 7), (1, 16, 7), (2, 16, 12)])
@in_virtual_time
async def test_what_idle_workers_ask_of_storage(workers: int, partitions: int, most: int) -> None:
    async with Fleet(partitions) as fleet:
        for n in range(workers):
            fleet.start(f"w{n}")
        await fleet.even_within(START_OR_STOP_SECONDS)
        before = [worker.account.requests.total() for worker in fleet.workers.values()]
        await fleet.passes(600)
        after = [worker.account.requests.total() for worker in fleet.workers.values()]
        for one, other in zip(before, after, strict=True):
            assert (other - one) / 10 <= most  # a minute


@in_virtual_time
async def test_a_restart_under_the_same_name_goes_on_at_once() -> None:
    async with Fleet(4) as fleet:
        fleet.start("w0")
        await fleet.passes(12)
        fleet.kill("w0")
        fleet.start("w0")
        assert await fleet.even_within(1) <= 1
