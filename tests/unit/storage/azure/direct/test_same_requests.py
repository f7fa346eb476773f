"""The SDK as oracle: each call puts the same request on the wire through both adapters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from durable.model.times import TickTime
from durable.storage.azure.continuations import from_keys
from durable.storage.ports import Account
from durable.storage.rules import MAX_SECONDS
from durable.storage.values import (
    All,
    Comparison,
    Condition,
    Int64,
    Operation,
    Row,
    Some,
    Value,
    Where,
    Write,
)
from tests.unit.storage.azure.direct import answers
from tests.unit.storage.azure.direct.twins import Twins

# Every printable ASCII character that a key may hold, and some that take one to four bytes.
ODD_KEYS = [
    "",
    "plain",
    "it's",
    "''",
    "100%",
    "%27",
    "a+b c",
    " leading and trailing ",
    "!\"$&'()*,-.:;<=>@[]^_`{|}~",
    "@entity@key",
    "a=b&c=d",
    "..",
    "é",
    "漢字",
    "👍🏽",
    "\xa0",
    "İı\u0301",
    "x" * 512,
]
COLUMNS: dict[str, Value] = {
    "String": "text",
    "Empty": "",
    "Odd": '"quoted" \\ \x00\x1f\x7f\u2028 é 漢 👍 --changeset_\r\n',
    "True": True,
    "False": False,
    "Int": -(2**31),
    "Zero": 0,
    "Long": Int64(2**63 - 1),
    "SmallLong": Int64(5),
    "Double": 0.1,
    "Whole": 3.0,
    "Huge": 1.7976931348623157e308,
    "Minus0": -0.0,
    "NotANumber": math.nan,
    "Infinity": math.inf,
    "MinusInfinity": -math.inf,
    "Time": datetime(2024, 5, 6, 7, 8, 9, 123456, UTC),
    "Ticks": TickTime.of(datetime(2024, 5, 6, 7, 8, 9, 123456, UTC), 7),
    "Second": datetime(1601, 1, 1, tzinfo=UTC),
    "Last": TickTime.of(datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), 9),
    "Binary": bytes(range(256)),
    "NoBytes": b"",
    "Guid": UUID("12345678-1234-5678-1234-567812345678"),
}
ETAG = "W/\"datetime'2024-05-06T07%3A08%3A09.1234567Z'\""
EQ = Comparison.EQ


def row(key: str = "r", etag: str | None = None) -> Row:
    return Row(partition_key="p'%é", row_key=key, columns=COLUMNS, etag=etag)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "plain",
        "<a>&\"']]></a>",
        "tab\tline\n",
        "é 漢 👍",
        "\x7f\x85\u2028\ufffd",
        "x" * 65536,
        "&lt;",
    ],
    ids=lambda text: ascii(text[:12]),
)
async def test_put(twins: Twins, text: str) -> None:
    for delay in (0, 1, MAX_SECONDS):

        async def put(account: Account, delay: int = delay) -> object:
            return await account.queues.put("a-queue", text, delay_seconds=delay)

        await twins.same(put, answers.PUT)


@pytest.mark.parametrize("count", [1, 32])
async def test_get_and_peek(twins: Twins, count: int) -> None:
    async def get(account: Account) -> object:
        return await account.queues.get("a-queue", count=count, lease_seconds=300)

    async def peek(account: Account) -> object:
        return await account.queues.peek("a-queue", count=count)

    assert await twins.same(get, answers.messages()) == []
    assert await twins.same(peek, answers.messages()) == []


@pytest.mark.parametrize("text", [None, "", "<new> é"])
@pytest.mark.parametrize("receipt", ["AgAAAAMAAAAAAAAA+/==", "a b&c=d?e#f%20é"])
async def test_update_and_delete(twins: Twins, text: str | None, receipt: str) -> None:
    async def update(account: Account) -> object:
        return await account.queues.update(
            "a-queue", "0b9b-é/1", receipt, visible_in_seconds=0, text=text
        )

    async def delete(account: Account) -> object:
        await account.queues.delete("a-queue", "id 1", receipt)
        return None

    assert await twins.same(update, answers.updated) == "r2"
    await twins.same(delete, answers.done)


@pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: ascii(key[:12]))
async def test_keys(twins: Twins, key: str) -> None:
    absent = answers.table_refused(404, "ResourceNotFound")

    async def read(account: Account) -> object:
        return await account.tables.read("Table", key, key[::-1])

    async def merge(account: Account) -> object:
        kept = Row(partition_key=key, row_key=key[::-1])
        return await account.tables.write("Table", Operation(write=Write.MERGE, row=kept))

    async def batch(account: Account) -> object:
        kept = Row(partition_key=key, row_key=key[::-1])
        return await account.tables.batch("Table", [Operation(write=Write.REPLACE, row=kept)])

    assert await twins.same(read, absent) is None
    await twins.same(merge, answers.written)
    await twins.same(batch, answers.batch_done(1))


@pytest.mark.parametrize("write", list(Write))
@pytest.mark.parametrize("etag", [None, "*", ETAG], ids=["none", "any", "exact"])
async def test_writes(twins: Twins, write: Write, etag: str | None) -> None:
    async def one(account: Account) -> object:
        return await account.tables.write("Table", Operation(write=write, row=row(etag=etag)))

    async def batch(account: Account) -> object:
        return await account.tables.batch("Table", [Operation(write=write, row=row(etag=etag))])

    await twins.same(one, answers.written)
    await twins.same(batch, answers.batch_done(1))


async def test_a_batch_of_a_hundred(twins: Twins) -> None:
    writes = [
        Operation(write=list(Write)[number % 6], row=row(f"{number:03d}")) for number in range(100)
    ]

    async def batch(account: Account) -> object:
        return await account.tables.batch("Table", writes)

    etags = await twins.same(batch, answers.batch_done(100))
    assert isinstance(etags, list)
    assert len(etags) == 100
    assert etags[0] == "W/\"datetime'2024-05-06T07%3A08%3A00Z'\""


CONDITIONS: Sequence[Condition | None] = [
    None,
    *(Where("PartitionKey", EQ, key) for key in ODD_KEYS[:-1]),
    *(Where(name, Comparison.GE, value) for name, value in COLUMNS.items() if name != "Odd"),
    All((Where("PartitionKey", EQ, "p"), Some((Where("A", EQ, 1), Where("B", EQ, True))))),
]


@pytest.mark.parametrize("page_size", [1, 1000])
@pytest.mark.parametrize("select", [(), ("A",), ("A", "B_2")])
@pytest.mark.parametrize(
    "continuation",
    [None, ("1!8!cA--", "1!12!cm93+/=&%é"), ("1!8!cA--", None)],
    ids=["first", "next", "next partition"],
)
async def test_queries(
    twins: Twins,
    page_size: int,
    select: tuple[str, ...],
    continuation: tuple[str, str | None] | None,
) -> None:
    async def query(account: Account) -> object:
        return await account.tables.query(
            "Table",
            Where("PartitionKey", EQ, "p"),
            page_size=page_size,
            select=select,
            continuation=None if continuation is None else from_keys(*continuation),
        )

    await twins.same(query, answers.found({"value": []}))


async def test_conditions(twins: Twins) -> None:
    for condition in CONDITIONS:

        async def query(account: Account, condition: Condition | None = condition) -> object:
            return await account.tables.query("Table", condition)

        await twins.same(query, answers.found({"value": []}))
