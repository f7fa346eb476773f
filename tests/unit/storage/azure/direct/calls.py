"""Calls to try, and a row of every type as the table service writes it."""

from __future__ import annotations

from collections.abc import Mapping

from durable.storage.ports import Account
from durable.storage.values import Operation, Row, Write

ETAG = "W/\"datetime'2024-05-06T07%3A08%3A09.1234567Z'\""


ENTITY: Mapping[str, object] = {
    "odata.type": "acme.Table",
    "odata.id": "http://acme/Table(PartitionKey='p',RowKey='r')",
    "odata.etag": ETAG,
    "odata.editLink": "Table(PartitionKey='p',RowKey='r')",
    "PartitionKey": "p'é",
    "RowKey": "",
    "Timestamp@odata.type": "Edm.DateTime",
    "Timestamp": "2024-05-06T07:08:09.1234567Z",
    "String": "text",
    "Typed": "text",
    "Typed@odata.type": "Edm.String",
    "LikeANumber": "5",
    "Empty": "",
    "Null": None,
    "Bool": False,
    "Int": 5,
    "TypedInt": 6,
    "TypedInt@odata.type": "Edm.Int32",
    "Beyond": 2**31,
    "Long@odata.type": "Edm.Int64",
    "Long": "9223372036854775807",
    "Double": 0.5,
    "Whole@odata.type": "Edm.Double",
    "Whole": 3,
    "Minus0@odata.type": "Edm.Double",
    "Minus0": -0.0,
    "Infinity@odata.type": "Edm.Double",
    "Infinity": "-Infinity",
    "Time@odata.type": "Edm.DateTime",
    "Time": "2024-05-06T07:08:09Z",
    "Ticks@odata.type": "Edm.DateTime",
    "Ticks": "1601-01-01T00:00:00.0000001Z",
    "Tenth@odata.type": "Edm.DateTime",
    "Tenth": "2024-05-06T07:08:09.1Z",
    "Binary@odata.type": "Edm.Binary",
    "Binary": "AAECAw==",
    "Guid@odata.type": "Edm.Guid",
    "Guid": "12345678-1234-5678-1234-567812345678",
    "odata": "not metadata",
}


async def read(account: Account) -> object:
    return await account.tables.read("Table", "p'é", "")


async def query(account: Account) -> object:
    return await account.tables.query("Table", None)


async def get(account: Account) -> object:
    return await account.queues.get("a-queue", count=32, lease_seconds=30)


async def peek(account: Account) -> object:
    return await account.queues.peek("a-queue")


async def put(account: Account) -> object:
    return await account.queues.put("a-queue", "x")


async def delete_message(account: Account) -> object:
    await account.queues.delete("a-queue", "id", "r")
    return None


async def merge(account: Account) -> object:
    row = Row(partition_key="p", row_key="r", etag=ETAG)
    return await account.tables.write("Table", Operation(write=Write.MERGE, row=row))


async def batch(account: Account) -> object:
    rows = [Row(partition_key="p", row_key=str(number)) for number in range(3)]
    return await account.tables.batch(
        "Table", [Operation(write=Write.INSERT, row=row) for row in rows]
    )
