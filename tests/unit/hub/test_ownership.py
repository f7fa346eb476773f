"""The Partitions table, in memory and on Azurite."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from durable.clock import SystemClock
from durable.errors import NotFound, PreconditionFailed
from durable.hub.ownership import OwnershipTable
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.storage.azure.account import account_config, open_account
from durable.storage.memory import MemoryAccount
from durable.storage.values import Operation, Row, Write
from durable.wire.lease_rows import PartitionLease
from tests.manual_clock import ManualClock

THEN = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)


def owned(lease: PartitionLease, owner: str) -> PartitionLease:
    return replace(
        lease,
        current_owner=owner,
        owned_since=THEN,
        last_renewal=THEN,
        expires_at=THEN + timedelta(seconds=30),
    )


async def check_table(hub: TaskHub) -> None:
    table = OwnershipTable(hub)
    leases = (await table.read()).leases
    assert [lease.queue for lease in leases] == list(hub.names.control_queues)
    assert all(lease.etag for lease in leases)
    assert await table.write([]) == ()
    written = await table.write([owned(lease, "a") for lease in leases])
    assert (await table.read()).leases == written
    # One row; and all of what is None goes.
    (one,) = await table.write([replace(written[0], current_owner=None, next_owner="b")])
    assert (await table.read()).leases == (one, *written[1:])
    # All or none.
    with pytest.raises(PreconditionFailed):
        await table.write([owned(lease, "c") for lease in written])
    with pytest.raises(PreconditionFailed):
        await table.write([owned(written[0], "c")])
    assert (await table.read()).leases == (one, *written[1:])


async def test_rows_in_memory(manual_clock: ManualClock) -> None:
    account = MemoryAccount(manual_clock)
    hub = TaskHub(account, HubSettings(name="Rows", partition_count=3), manual_clock)
    await hub.ensure()
    await check_table(hub)
    assert (await OwnershipTable(hub).read()).served_at == manual_clock.now().replace(microsecond=0)


@pytest.mark.azurite
async def test_rows_on_azurite(azurite_connection_string: str) -> None:
    account = open_account(account_config({"Store": azurite_connection_string}, "Store"))
    settings = HubSettings(name=f"Rows{uuid.uuid4().hex[:8]}", partition_count=3)
    hub = TaskHub(account, settings, SystemClock())
    await hub.ensure()
    await check_table(hub)
    await hub.delete()
    await account.close()


async def test_a_row_that_cannot_be_understood_is_nobodys(
    manual_clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    account = MemoryAccount(manual_clock)
    hub = TaskHub(account, HubSettings(name="Rows", partition_count=2), manual_clock)
    await hub.ensure()
    first, second = hub.names.control_queues
    row = Row(partition_key="", row_key=first, columns={"ExpiresAt": "soon"})
    await account.tables.write(hub.names.partitions_table, Operation(write=Write.REPLACE, row=row))
    with caplog.at_level(logging.WARNING, "durable.partitions"):
        damaged, sound = (await OwnershipTable(hub).read()).leases
    assert sound.queue == second
    assert damaged == PartitionLease(queue=first, etag=damaged.etag)
    assert first in caplog.text
    # Who claims it repairs it.
    (claimed,) = await OwnershipTable(hub).write([owned(damaged, "a")])
    assert (await OwnershipTable(hub).read()).leases == (claimed, sound)


@pytest.mark.parametrize(
    ("partition_key", "row_key"),
    [("", "other-control-00"), ("", "rows-workitems"), ("x", "rows-control-00"), ("", "")],
)
async def test_a_row_of_what_is_no_queue_of_this_hub_is_left_out(
    manual_clock: ManualClock, partition_key: str, row_key: str
) -> None:
    account = MemoryAccount(manual_clock)
    hub = TaskHub(account, HubSettings(name="Rows", partition_count=2), manual_clock)
    await hub.ensure()
    row = Row(partition_key=partition_key, row_key=row_key, columns={})
    await account.tables.write(hub.names.partitions_table, Operation(write=Write.INSERT, row=row))
    leases = (await OwnershipTable(hub).read()).leases
    assert tuple(lease.queue for lease in leases) == hub.names.control_queues


async def test_no_table(manual_clock: ManualClock) -> None:
    hub = TaskHub(MemoryAccount(manual_clock), HubSettings(name="Rows"), manual_clock)
    with pytest.raises(NotFound):
        await OwnershipTable(hub).read()
