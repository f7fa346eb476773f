"""The host killed with SIGKILL, again and again, under running instances: nothing is lost."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from durable.hub.taskhub import TaskHub
from tests.acceptance.conftest import MakeHost
from tests.acceptance.instances import (
    Wanted,
    all_ended,
    check_no_quarantine,
    check_queues_are_empty,
    check_results,
    insist,
    lengths,
    mixed,
    rows_of,
    unfinished,
)
from tests.acceptance.local_host import Browser, LocalHost

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

KILLS = 20
INSTANCES = 50
LEASE_SECONDS = 6
#: Starts come while it is killed; each activity takes up to two seconds.
STARTS_SECONDS = 15.0


@pytest.mark.timeout(400)
async def test_every_instance_survives_twenty_kills(
    make_host: MakeHost, browser: Browser, hub: TaskHub
) -> None:
    seed = int(os.environ.get("DURABLE_KILL_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"seed {seed} (again: DURABLE_KILL_SEED={seed})")
    chance = random.Random(seed)
    wanted = mixed(INSTANCES)
    delays = [chance.uniform(0, STARTS_SECONDS) for _ in wanted]
    moments = [chance.uniform(0.1, 2.5) for _ in range(KILLS)]
    host = make_host(DURABLE_HOST_LEASE_SECONDS=str(LEASE_SECONDS), WORKSHOP_SECONDS="1")

    async with asyncio.TaskGroup() as tasks:
        for each, delay in zip(wanted, delays, strict=True):
            tasks.create_task(_start_later(browser, host, each, delay))
        hit = await _kill_at(host, hub, moments)
        # Here, for starts that have not been accepted yet insist on a host.
        await host.start()

    await all_ended(hub, INSTANCES, seconds=180)
    await check_queues_are_empty(hub, seconds=40)
    await check_results(hub, wanted)
    await check_no_quarantine(hub)
    assert host.starts == KILLS + 1
    # It was killed at work, not at rest.
    print(f"unfinished at each kill: {hit}")
    assert sum(1 for count in hit if count >= INSTANCES // 10) >= KILLS * 3 // 4


async def _start_later(browser: Browser, host: LocalHost, wanted: Wanted, delay: float) -> None:
    await asyncio.sleep(delay)
    await insist(browser, host.api, wanted)


async def _kill_at(host: LocalHost, hub: TaskHub, moments: list[float]) -> list[int]:
    """Start the host and kill it so many seconds after it answers; the work each kill hit."""
    hit: list[int] = []
    for moment in moments:
        await host.start()
        await asyncio.sleep(moment)
        host.kill()
        rows = await rows_of(hub)
        left = unfinished(rows)
        hit.append(len(left))
        print(f"killed after {moment:.2f} s: {len(rows)} started, {len(left)} unfinished, "
              f"messages {sum((await lengths(hub)).values())}")  # fmt: skip
    return hit


@pytest.mark.timeout(200)
async def test_what_a_killed_host_held_moves_on_within_a_minute(
    make_host: MakeHost, browser: Browser, hub: TaskHub
) -> None:
    """With the leases as they are by default: ours, in place of the host's ten minutes."""
    wanted = mixed(8)
    host = make_host(WORKSHOP_SECONDS="3")
    await host.start()
    for each in wanted:
        await insist(browser, host.api, each)
    await asyncio.sleep(2.0)  # some of it runs in place, some came out of the queues
    host.kill()
    killed = asyncio.get_running_loop().time()
    assert unfinished(await rows_of(hub))
    await host.start()
    await all_ended(hub, len(wanted), seconds=100)
    taken = asyncio.get_running_loop().time() - killed
    print(f"all ended {taken:.1f} s after the kill")
    await check_results(hub, wanted)
    await check_no_quarantine(hub)
    # Up to three activities of three seconds each follow what is done again.
    assert taken <= 60.0 + 9.0
