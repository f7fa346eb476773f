"""Both adapters count the same requests under the same names."""

from __future__ import annotations

from durable.storage.values import Operation, Row, Write
from tests.contract.conftest import CountingAccount


async def test_each_call_is_one_request_of_its_name(
    account: CountingAccount, queue: str, table: str, container: str
) -> None:
    account.requests.clear()
    queues, tables, blobs = account.queues, account.tables, account.blobs
    await queues.create_queue(queue)
    put = await queues.put(queue, "x", delay_seconds=5)
    await queues.put(queue, "y")
    await queues.get(queue, count=1, lease_seconds=5)
    await queues.get(queue, count=1, lease_seconds=5)
    await queues.peek(queue)
    receipt = await queues.update(queue, put.id, put.pop_receipt, visible_in_seconds=5)
    await queues.delete(queue, put.id, receipt)
    await queues.count(queue)
    await queues.list_queues(queue)
    await queues.delete_queue(queue)

    await tables.create_table(table)
    row = Row(partition_key="p", row_key="it's/".replace("/", ""), columns={"a": 1})
    for write in (Write.UPSERT_REPLACE, Write.UPSERT_MERGE, Write.MERGE, Write.REPLACE):
        await tables.write(table, Operation(write=write, row=row))
    await tables.write(table, Operation(write=Write.DELETE, row=row))
    await tables.write(table, Operation(write=Write.INSERT, row=row))
    await tables.batch(table, [Operation(write=Write.MERGE, row=row)])
    await tables.read(table, "p", row.row_key)
    await tables.read(table, "p", "absent")
    await tables.query(table, None)
    await tables.list_tables(table)
    await tables.delete_table(table)

    await blobs.create_container(container)
    await blobs.put_blob(container, "a/b c", b"x" * 1000)
    await blobs.get_blob(container, "a/b c", max_bytes=1000)
    await blobs.list_blobs(container, "")
    await blobs.list_containers(container)
    await blobs.delete_blob(container, "a/b c")
    await blobs.delete_container(container)

    assert dict(account.requests) == {
        ("queue", "Create Queue"): 1,
        ("queue", "Put Message"): 2,
        ("queue", "Get Messages"): 2,
        ("queue", "Peek Messages"): 1,
        ("queue", "Update Message"): 1,
        ("queue", "Delete Message"): 1,
        ("queue", "Get Queue Metadata"): 1,
        ("queue", "List Queues"): 1,
        ("queue", "Delete Queue"): 1,
        ("table", "Create Table"): 1,
        ("table", "Insert Or Replace Entity"): 1,
        ("table", "Insert Or Merge Entity"): 1,
        ("table", "Merge Entity"): 1,
        ("table", "Update Entity"): 1,
        ("table", "Delete Entity"): 1,
        ("table", "Insert Entity"): 1,
        ("table", "Entity Group Transaction"): 1,
        ("table", "Get Entity"): 2,
        ("table", "Query Entities"): 1,
        ("table", "Query Tables"): 1,
        ("table", "Delete Table"): 1,
        ("blob", "Create Container"): 1,
        ("blob", "Put Blob"): 1,
        ("blob", "Get Blob"): 1,
        ("blob", "List Blobs"): 1,
        ("blob", "List Containers"): 1,
        ("blob", "Delete Blob"): 1,
        ("blob", "Delete Container"): 1,
    }
