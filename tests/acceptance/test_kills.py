"""The host killed with SIGKILL, again and again, under running instances: nothing is lost."""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
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

#: `make soak` makes many more.
KILLS = 8
INSTANCES = 50
#: Shorter than by default, so that what a kill held comes back soon. The host's own lease, too: it
#: holds what the host had taken and no function had begun with.
SHORT_LEASE = {
    "AzureFunctionsJobHost__extensions__durableTask__ownLeaseSeconds": "10",
    "DURABLE_HOST_LEASE_SECONDS": "10",
}
#: Starts come while it is killed; each activity takes up to two seconds.
STARTS_SECONDS = 15.0
#: Of the test with default leases: activities of some seconds, and chains of quick ones.
SLOW, SLOW_SECONDS = 4, 4.0
STEPS = 300
MOVES_ON_SECONDS = 60.0


@pytest.mark.timeout(400)
async def test_every_instance_survives_kill_after_kill(
    make_host: MakeHost, browser: Browser, hub: TaskHub
) -> None:
    seed = int(os.environ.get("DURABLE_KILL_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"seed {seed} (again: DURABLE_KILL_SEED={seed})")
    chance = random.Random(seed)
    wanted = mixed(INSTANCES)
    delays = [chance.uniform(0, STARTS_SECONDS) for _ in wanted]
    moments = [chance.uniform(0.1, 2.5) for _ in range(KILLS)]
    host = make_host(WORKSHOP_SECONDS="1", **SHORT_LEASE)

    async with asyncio.TaskGroup() as tasks:
        for each, delay in zip(wanted, delays, strict=True):
            tasks.create_task(_start_later(browser, host, each, delay))
        hits = await _kill_at(host, hub, moments)
        # Here, for starts that have not been accepted yet insist on a host.
        await host.start()

    await all_ended(hub, INSTANCES, seconds=180)
    await check_queues_are_empty(hub, seconds=40)
    await check_results(hub, wanted)
    await check_no_quarantine(hub)
    assert host.starts == KILLS + 1
    # It was killed at work, not at rest, and not while all work lay hidden under dead leases.
    assert sum(1 for hit in hits if hit.unfinished >= INSTANCES // 10) >= KILLS * 3 // 4
    assert sum(1 for before, hit in pairwise(hits) if hit != before) >= KILLS // 2


async def _start_later(browser: Browser, host: LocalHost, wanted: Wanted, delay: float) -> None:
    await asyncio.sleep(delay)
    await insist(browser, host.api, wanted)


@dataclass(frozen=True)
class Hit:
    """What there was when the host was killed."""

    started: int
    unfinished: int
    messages: int


async def _kill_at(host: LocalHost, hub: TaskHub, moments: list[float]) -> list[Hit]:
    """Start the host and kill it so many seconds after it answers; the work each kill hit."""
    hits: list[Hit] = []
    for moment in moments:
        await host.start()
        await asyncio.sleep(moment)
        host.kill()
        rows = await rows_of(hub)
        messages = sum((await lengths(hub)).values())
        hits.append(Hit(started=len(rows), unfinished=len(unfinished(rows)), messages=messages))
        print(f"killed after {moment:.2f} s: {hits[-1]}")
    return hits


@pytest.mark.soak
@pytest.mark.timeout(200)
async def test_what_a_killed_host_held_moves_on_within_a_minute(
    make_host: MakeHost, browser: Browser, hub: TaskHub, tmp_path: Path
) -> None:
    """With the leases as they are by default: ours, in place of the host's ten minutes."""
    host = make_host(WORKSHOP_NOTES=str(tmp_path))
    await host.start()
    chains = [Wanted(f"chain{n}", "Chain", STEPS, list(range(STEPS))) for n in range(2)]
    slow = [Wanted(f"slow{n}", "Long", SLOW_SECONDS, "at last") for n in range(SLOW)]
    for each in (*chains, *slow):
        await insist(browser, host.api, each)
        await asyncio.sleep(1.0 / SLOW)  # when it is killed, they are at different points
    await _begun(tmp_path / "linger", SLOW)
    # Killed before its first flush: only the message of its start, held by our lease, leads to it.
    # The others come back by messages of activities, too, which have a lease without ours.
    fresh = Wanted("fresh", "Chain", STEPS, list(range(STEPS)))
    await insist(browser, host.api, fresh)
    async with asyncio.timeout(15):
        while not await _committed(hub, fresh):
            await asyncio.sleep(0.01)
    host.kill()
    killed = time.monotonic()

    wanted = [*chains, fresh, *slow]
    work_items = (await lengths(hub))[hub.names.work_items]
    left = {each.instance_id: await _committed(hub, each) for each in wanted}
    rows = await rows_of(hub)
    behind = [i for i, count in left.items() if (rows[i].checkpoint_sequence or 0) < count]
    print(f"committed {left}, rows behind {behind}, messages of activities {work_items}")
    # All of it was at work, some activities as leased messages and some turns in memory only.
    assert unfinished(rows) == [each.instance_id for each in wanted]
    assert all(0 < left[each.instance_id] <= STEPS for each in (*chains, fresh))
    assert rows[fresh.instance_id].status is RuntimeStatus.PENDING
    assert "done" not in (tmp_path / "linger").read_text()
    assert work_items
    assert behind

    await host.start()
    moved: dict[str, float] = {}
    while len(moved) < len(wanted):
        assert time.monotonic() - killed <= MOVES_ON_SECONDS, f"stuck; the others moved: {moved}"
        for each in wanted:
            i = each.instance_id
            if i not in moved and await _committed(hub, each) > left[i]:
                moved[i] = round(time.monotonic() - killed, 1)
        await asyncio.sleep(0.2)
    print(f"moved on so many seconds after the kill: {moved}")
    await all_ended(hub, len(wanted), seconds=60)
    await check_queues_are_empty(hub, seconds=60)
    await check_results(hub, wanted)
    await check_no_quarantine(hub)


async def _begun(notes: Path, count: int) -> None:
    """Wait until so many slow activities have begun."""
    async with asyncio.timeout(15):
        while not notes.exists() or notes.read_text().count("begun") < count:
            await asyncio.sleep(0.01)


async def _committed(hub: TaskHub, wanted: Wanted) -> int:
    """How many turns its history holds."""
    sentinel = await hub.history.read_sentinel(wanted.instance_id)
    return 0 if sentinel is None else sentinel.sequence or 0
