"""A hub that was just made, and one that was deleted, next to the recordings."""

from __future__ import annotations

import pytest

from durable.clock import Clock, SystemClock
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.storage.azure.account import account_config, open_account
from durable.storage.memory import MemoryAccount
from durable.storage.ports import Account
from tests.golden.account_compare import Difference
from tests.golden.account_dump import AzuriteReader, Dump, in_memory, recorded
from tests.golden.test_account_contents import DIFFERENCES, blob_differences
from tests.golden.test_scenarios import table_differences
from tests.manual_clock import ManualClock

MADE, DELETED = SCENARIOS = ("dtfx/20_bootstrap", "dtfx/20_bootstrap_delete")


async def test_a_new_hub_in_memory_holds_what_was_recorded() -> None:
    clock = ManualClock()
    account = MemoryAccount(clock)
    await made(account, clock)
    dump = await in_memory(account, recorded(MADE).hub)
    assert differences(dump) <= DIFFERENCES.keys()


@pytest.mark.azurite
async def test_a_new_hub_on_azurite_holds_what_was_recorded(azurite_connection_string: str) -> None:
    account = open_account(account_config({"Store": azurite_connection_string}, "Store"))
    hub = await made(account, SystemClock())
    try:
        dump = await AzuriteReader(azurite_connection_string).dump(account, hub.settings.name)
    finally:
        await hub.delete()
        await account.close()
    assert differences(dump) <= DIFFERENCES.keys()


async def test_of_a_deleted_hub_nothing_is_left() -> None:
    clock = ManualClock()
    account = MemoryAccount(clock)
    recording = recorded(DELETED)
    hub = TaskHub(account, HubSettings(name=recording.hub), clock)
    await hub.ensure()
    assert (await in_memory(account, recording.hub)).tables
    await hub.delete()
    assert await in_memory(account, recording.hub) == recording.dump


def differences(ours: Dump) -> set[Difference]:
    recording = recorded(MADE)
    theirs, hub = recording.dump, recording.hub
    assert ours.queues == theirs.queues
    assert ours.tables.keys() == theirs.tables.keys()
    container = f"{hub.lower()}-applease"
    assert theirs.containers.keys() == {container}
    found = blob_differences(theirs.containers[container], ours.containers[container])
    for table, rows in theirs.tables.items():
        found |= table_differences(table.removeprefix(hub), rows, ours.tables[table])
    return found


async def made(account: Account, clock: Clock) -> TaskHub:
    hub = TaskHub(account, HubSettings(name=recorded(MADE).hub), clock)
    await hub.ensure()
    return hub
