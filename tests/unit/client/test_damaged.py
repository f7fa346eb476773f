"""Calls about many instances, one of them damaged: the others are told of, and dealt with."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from durable.client import Client
from durable.errors import CorruptRecord
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from durable.storage.memory.account import MemoryAccount
from durable.storage.values import Operation, Row, Value, Write
from tests.unit.client.conftest import Insert

EVER = datetime(2000, 1, 1, tzinfo=UTC)


async def damage(hub: TaskHub, table: str, instance_id: str, key: str, **columns: Value) -> None:
    row = Row(partition_key=instance_id, row_key=key, columns=columns)
    await hub.account.tables.write(table, Operation(write=Write.UPSERT_MERGE, row=row))


async def large_input(hub: TaskHub, instance_id: str, content: bytes) -> None:
    """An instance whose input is in a blob, which holds something else."""
    name = f"{instance_id}/history--Input-0-Input.json.gz"
    await hub.payloads.write(name, '"x"')
    await hub.account.blobs.put_blob(hub.names.large_messages, name, content)
    await damage(hub, hub.names.instances_table, instance_id, "", Input=hub.payloads.url(name))


@pytest.mark.parametrize("content", [b"", b"no gzip", b"x" * (300 * 1024)])
async def test_a_list_shows_an_instance_without_its_damaged_payload(
    account: MemoryAccount, hub: TaskHub, insert: Insert, content: bytes
) -> None:
    for each in ("a", "b", "c"):
        await insert(each, RuntimeStatus.COMPLETED)
    await large_input(hub, "b", content)
    client = Client(hub)
    found = {each.instance_id: each for each in await client.get_status_all()}
    assert list(found) == ["a", "b", "c"]
    assert found["b"].input_ is None
    with pytest.raises(CorruptRecord, match="Input or output of instance 'b'"):
        await client.get_status("b")


async def test_a_list_leaves_out_a_damaged_row(hub: TaskHub, insert: Insert) -> None:
    for each in ("a", "b", "c"):
        await insert(each, RuntimeStatus.COMPLETED)
    await damage(hub, hub.names.instances_table, "b", "", CreatedTime="yesterday")
    client = Client(hub)
    assert [each.instance_id for each in await client.get_status_all()] == ["a", "c"]
    with pytest.raises(CorruptRecord, match="'b'"):
        await client.get_status("b")
    with pytest.raises(CorruptRecord, match="'b'"):
        await client.raise_event("b", "go")


async def test_purging_many_leaves_a_damaged_instance_as_it_is(
    hub: TaskHub, insert: Insert, caplog: pytest.LogCaptureFixture
) -> None:
    for each in ("a", "b", "c"):
        await insert(each, RuntimeStatus.COMPLETED)
    await damage(hub, hub.names.history_table, "b", "sentinel", ExecutionId="e1", Purged="no")
    client = Client(hub)
    assert (await client.purge_instance_history_by(EVER)).instances_deleted == 2
    assert [each.instance_id for each in await client.get_status_all()] == ["b"]
    assert "'b' is not purged" in caplog.text
    with pytest.raises(CorruptRecord, match="The history of instance 'b'"):
        await client.purge_instance_history("b")


async def test_a_damaged_entity_does_not_stop_cleaning_or_lists(
    hub: TaskHub, insert: Insert
) -> None:
    for each in ("@counter@a", "@counter@b"):
        await insert(each, RuntimeStatus.RUNNING)
        await damage(hub, hub.names.instances_table, each, "", CustomStatus='{"entityExists":true}')
    state = '{"exists":true,"state":"7"}'
    await damage(hub, hub.names.instances_table, "@counter@b", "", Input=state)
    await large_input(hub, "@counter@a", b"no gzip")
    client = Client(hub)
    page = await client.get_entities(include_state=True)
    assert [each.id.key for each in page.entities] == ["b"]
    await client.clean_entity_storage()
