"""Damage to what a hub keeps of itself: who owns which queue, the sweeper's place, its key."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from durable.errors import DurableError
from durable.hub.management_key import management_key
from durable.hub.partitions import as_recorded
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.runtime.partitions import PartitionOwner
from durable.storage.values import Operation, Row, Write
from durable.wire.names import TASK_HUB_INFO
from tests.fuzz.corpus import ODD_JSON, Sample, damaged_rows, damaged_text, flipped, recorded
from tests.fuzz.test_rows import chosen, samples
from tests.fuzz.ward import OWN, WATCH, Host, Ward, examples
from tests.hub_lab import Lab
from tests.simulation.simloop import run_simulation

pytestmark = pytest.mark.slow

RANDOMS = st.randoms(use_true_random=False)
#: A lease that nobody renews is over by then, whatever its row says; with some passes on top.
CLAIMED_SECONDS = 400.0


@pytest.fixture(autouse=True, scope="module")
def warm() -> None:
    """Made before a loop runs: it takes one of its own."""
    samples()


def partition_rows(rng: random.Random) -> tuple[Row, ...]:
    rows = rng.choice([each.partitions for each in recorded() if each.partitions])
    owners = ("ghost", "me", "other", "")
    held = [
        replace(row, columns={**row.columns, "CurrentOwner": rng.choice(owners)}) for row in rows
    ]
    return tuple(damaged_rows(rng, held, ()))


async def own(rows: tuple[Row, ...]) -> None:
    lab = Lab()
    settings = HubSettings(name="Lab", partition_count=4)
    hub = TaskHub(lab.account, settings, lab.clock)
    await hub.ensure()
    for row in rows:
        with contextlib.suppress(DurableError, ValueError):
            write = Operation(write=Write.UPSERT_REPLACE, row=row)
            await lab.account.tables.write(hub.names.partitions_table, write)
    owner = PartitionOwner(hub, lab.clock, worker_id="me", drained=lambda queue: True)
    with WATCH.over():
        async with asyncio.TaskGroup() as group:
            running = group.create_task(owner.run())
            await lab.clock.sleep(CLAIMED_SECONDS)
            running.cancel()
    assert set(hub.names.control_queues) <= owner.owned
    # Nothing of others is read, whatever the rows are called.
    assert all(each.startswith("lab-control-") for each in owner.owned)


@examples(40)
@given(RANDOMS)
def test_damaged_partitions_are_all_read_in_the_end(rng: random.Random) -> None:
    run_simulation(own(partition_rows(rng)))


def odd_bytes(rng: random.Random) -> bytes:
    cursor = rng.choice(("null", '"x"', '"[null, -7]"', '"memory:x"', *ODD_JSON))
    text = f'{{"instances":{cursor},"tombstones":{cursor},"orphans":{cursor}}}'
    match rng.randrange(4):
        case 0:
            return text.encode()
        case 1:
            return damaged_text(rng, text).encode("utf-8", "surrogatepass")
        case 2:
            return flipped(rng, text.encode())
        case _:
            return rng.choice((b"", b"\x00", b"\xff" * 70_000, b"[" * 60_000, b"k" * 5000))


async def serve(rng: random.Random, sample: Sample) -> None:
    """Sweeps, keys and counts over damaged blobs; each gives an answer or says what is wrong."""
    ward = Ward()
    await ward.fill(sample)
    actor = await ward.lab.actor()
    names, blobs = ward.lab.hub.names, ward.lab.account.blobs
    for container in (names.keys, names.leases, names.quarantine):
        await blobs.create_container(container)
    for container, name in (
        (names.keys, "sweeper"),
        (names.keys, "management"),
        (names.leases, TASK_HUB_INFO),
        (names.app_lease, names.app_lease_info),
        (names.quarantine, "lab-control-00/x.json"),
    ):
        await blobs.put_blob(container, name, odd_bytes(rng))
    await ward.lab.clock.sleep(120)
    with WATCH.over():
        for _ in range(3):
            await actor.sweep()
            await ward.lab.clock.sleep(60)
        for call in (management_key(actor.hub, None), as_recorded(actor.hub, insist=False)):
            with contextlib.suppress(DurableError):
                await call
        host = Host(ward, actor)
        await host.run(seconds=3600)
    assert actor.refused == []
    assert not {resource for _, resource in actor.calls if not resource.startswith(OWN)}


@examples(40)
@given(RANDOMS)
def test_damaged_blobs_of_the_hub_itself(rng: random.Random) -> None:
    run_simulation(serve(rng, chosen(rng)))
