"""A hub's resources: made once, deleted whole."""

from __future__ import annotations

import asyncio

import pytest

from durable.errors import Unavailable
from durable.hub.taskhub import TaskHub
from durable.wire.lease_rows import decode_lease
from tests.hub_lab import Lab, in_virtual_time


@in_virtual_time
async def test_making_a_hub_does_no_i_o_and_ensuring_it_happens_once() -> None:
    lab = Lab(partition_count=2)
    hub = TaskHub(lab.account, lab.settings, lab.clock)
    assert sum(lab.account.requests.values()) == 0
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(hub.ensure())
    made = sum(lab.account.requests.values())
    assert made == 10  # 14 with the four partitions of the original's default
    await hub.ensure()
    assert sum(lab.account.requests.values()) == made
    names = hub.names
    assert await lab.account.queues.list_queues("lab-") == [*names.control_queues, names.work_items]
    assert sorted(await lab.account.tables.list_tables("Lab")) == [
        names.history_table,
        names.instances_table,
        names.partitions_table,
    ]
    assert await lab.account.blobs.list_containers("lab-") == [names.app_lease]
    page = await lab.account.tables.query(names.partitions_table, None)
    assert [row.row_key for row in page.rows] == list(names.control_queues)
    leases = [decode_lease(row.row_key, row.columns, row.etag) for row in page.rows]
    assert [lease.current_owner for lease in leases] == [None, None]


@in_virtual_time
async def test_a_second_process_finds_what_is_there_and_harms_nothing() -> None:
    lab = Lab()
    await lab.hub.ensure()
    await lab.put(lab.raised("E", 1))
    actor = await lab.actor()
    await actor.hub.ensure()
    assert len(await lab.queued()) == 1


@in_virtual_time
async def test_ensuring_that_failed_is_tried_again() -> None:
    lab = Lab()
    await lab.hub.ensure()
    actor = await lab.actor()
    actor.failing["Create Table"] = Unavailable("away")
    with pytest.raises(Unavailable):
        await actor.hub.ensure()
    actor.failing.clear()
    await actor.hub.ensure()


@in_virtual_time
async def test_deleting_leaves_nothing_of_the_hub_and_everything_of_others() -> None:
    lab = Lab()
    await lab.hub.ensure()
    names = lab.hub.names
    await lab.account.queues.create_queue(names.poison_queue(names.work_items))
    await lab.account.queues.create_queue("lab-other")
    await lab.hub.payloads.write("i1/x", "x")
    await lab.hub.delete()
    assert await lab.account.queues.list_queues("") == ["lab-other"]
    assert await lab.account.tables.list_tables("") == []
    assert await lab.account.blobs.list_containers("") == []
    await lab.hub.ensure()
    await lab.put(lab.raised("E", 1))
