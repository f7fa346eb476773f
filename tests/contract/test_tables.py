"""What `TableStore` promises of tables and single writes, of each adapter."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from durable.errors import Conflict, InvalidName, NotFound, PreconditionFailed, TooLarge
from durable.model.times import TickTime, tick_of
from durable.storage.ports import Account
from durable.storage.rules import MAX_ROW_BYTES, row_bytes
from durable.storage.values import Int64, Operation, Row, Value, Write

ABSENT = "NoSuchTable"


def row(
    key: str = "r",
    partition: str = "p",
    etag: str | None = None,
    values: Mapping[str, Value] = {},
    **columns: Value,
) -> Row:
    return Row(partition_key=partition, row_key=key, columns={**values, **columns}, etag=etag)


def write(kind: Write, what: Row) -> Operation:
    return Operation(write=kind, row=what)


async def insert(account: Account, table: str, what: Row) -> str:
    return await account.tables.write(table, write(Write.INSERT, what))


async def columns(account: Account, table: str, what: Row) -> dict[str, Value]:
    found = await account.tables.read(table, what.partition_key, what.row_key)
    assert found is not None
    return dict(found.columns)


async def test_create_is_idempotent_whatever_the_case_and_keeps_the_rows(
    account: Account, table: str, on_azurite: bool
) -> None:
    await insert(account, table, row(a=1))
    await account.tables.create_table(table)
    await account.tables.create_table(table.upper())
    assert await columns(account, table, row()) == {"a": 1}
    if not on_azurite:  # Azurite knows a table's rows by one spelling only; the service by any
        assert await columns(account, table.lower(), row()) == {"a": 1}


async def test_delete_takes_the_rows_along_and_is_idempotent(account: Account, table: str) -> None:
    await insert(account, table, row())
    await account.tables.delete_table(table)
    await account.tables.delete_table(table)
    with pytest.raises(NotFound):
        await account.tables.read(table, "p", "r")
    # The real service answers 409 TableBeingDeleted for half a minute here; Azurite does not.
    await account.tables.create_table(table)
    assert await account.tables.read(table, "p", "r") is None


async def test_list_gives_the_tables_with_the_prefix_sorted(account: Account, unique: str) -> None:
    for name in ("B", "A1", "A"):
        await account.tables.create_table(f"{unique}{name}")
    assert await account.tables.list_tables(f"{unique}A") == [f"{unique}A", f"{unique}A1"]
    assert await account.tables.list_tables(f"{unique}Z") == []
    assert f"{unique}B" in await account.tables.list_tables("")
    for name in ("B", "A1", "A"):
        await account.tables.delete_table(f"{unique}{name}")


@pytest.mark.parametrize("name", ["ab", "1abc", "a-b", "a_b", "tables", "é" * 3, "a" * 64, ""])
async def test_a_table_name_that_breaks_the_rules_is_refused(account: Account, name: str) -> None:
    with pytest.raises(InvalidName):
        await account.tables.create_table(name)


async def test_an_absent_table_is_not_found(account: Account) -> None:
    with pytest.raises(NotFound):
        await account.tables.read(ABSENT, "p", "r")
    with pytest.raises(NotFound):
        await account.tables.query(ABSENT, None)
    with pytest.raises(NotFound):
        await account.tables.batch(ABSENT, [write(Write.INSERT, row())])
    for kind in Write:
        with pytest.raises(NotFound):
            await account.tables.write(ABSENT, write(kind, row()))


async def test_an_absent_row_reads_as_none(account: Account, table: str) -> None:
    assert await account.tables.read(table, "p", "r") is None


async def test_every_type_comes_back_as_it_was(account: Account, table: str) -> None:
    values: dict[str, Value] = {
        "Text": "Zürich 東京 🐍 ' \" <&> \\ \r\n\t\x00",
        "Empty": "",
        "True": True,
        "False": False,
        "Int": -(2**31),
        "IntMost": 2**31 - 1,
        "Long": Int64(5),
        "LongMost": Int64(2**63 - 1),
        "Float": 1.5,
        "Whole": 3.0,
        "Tiny": 5e-324,
        "Infinite": float("-inf"),
        "Time": datetime(2024, 1, 2, 3, 4, 5, 678901, UTC),
        "Seconds": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        "Early": datetime(1601, 1, 1, tzinfo=UTC),
        "Late": datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        "Ticks": TickTime.of(datetime(2024, 1, 2, 3, 4, 5, 678901, UTC), 7),
        "Bytes": bytes(range(256)),
        "NoBytes": b"",
        "Guid": uuid.UUID("c9da6455-213d-42c9-9a79-3e9149a57833"),
    }
    await insert(account, table, row(values=values))
    found = await columns(account, table, row())
    assert found == values
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in values.items()
    }
    ticks = found["Ticks"]
    assert isinstance(ticks, datetime)
    assert tick_of(ticks) == 7


async def test_a_row_has_its_keys_an_etag_and_a_timestamp(account: Account, table: str) -> None:
    etag = await insert(account, table, row("", "p", a=1))
    found = await account.tables.read(table, "p", "")
    assert found is not None
    assert (found.partition_key, found.row_key, found.etag) == ("p", "", etag)
    assert set(found.columns) == {"a"}
    assert found.timestamp is not None
    assert found.timestamp.utcoffset() == timedelta(0)


async def test_what_was_stored_does_not_change_with_the_callers_dict(
    account: Account, table: str
) -> None:
    mine: dict[str, Value] = {"a": 1}
    await insert(account, table, Row(partition_key="p", row_key="r", columns=mine))
    mine["a"] = 2
    found = await columns(account, table, row())
    assert found == {"a": 1}
    found["a"] = 3
    assert await columns(account, table, row()) == {"a": 1}


async def test_insert_of_a_row_that_exists_conflicts(account: Account, table: str) -> None:
    await insert(account, table, row(a=1))
    with pytest.raises(Conflict) as caught:
        await insert(account, table, row(a=2))
    assert caught.value.status == 409
    assert caught.value.operation == "Insert Entity"
    assert await columns(account, table, row()) == {"a": 1}


@pytest.mark.parametrize("etag", [None, "*", "exact"])
async def test_merge_keeps_other_columns(account: Account, table: str, etag: str | None) -> None:
    before = await insert(account, table, row(a=1, b="old"))
    if etag == "exact":
        etag = before
    after = await account.tables.write(table, write(Write.MERGE, row(etag=etag, b="new", c=True)))
    assert after != before
    assert await columns(account, table, row()) == {"a": 1, "b": "new", "c": True}
    found = await account.tables.read(table, "p", "r")
    assert found is not None
    assert found.etag == after


@pytest.mark.parametrize("etag", [None, "*", "exact"])
async def test_replace_drops_other_columns(account: Account, table: str, etag: str | None) -> None:
    before = await insert(account, table, row(a=1, b="old"))
    if etag == "exact":
        etag = before
    after = await account.tables.write(table, write(Write.REPLACE, row(etag=etag, c=True)))
    assert after != before
    assert await columns(account, table, row()) == {"c": True}


@pytest.mark.parametrize("etag", [None, "*", "exact"])
async def test_delete_removes_the_row(account: Account, table: str, etag: str | None) -> None:
    before = await insert(account, table, row())
    if etag == "exact":
        etag = before
    assert await account.tables.write(table, write(Write.DELETE, row(etag=etag))) == ""
    assert await account.tables.read(table, "p", "r") is None
    await insert(account, table, row(a=2))
    assert await columns(account, table, row()) == {"a": 2}


@pytest.mark.parametrize("kind", [Write.MERGE, Write.REPLACE, Write.DELETE])
async def test_a_write_under_an_old_etag_fails_and_changes_nothing(
    account: Account, table: str, kind: Write
) -> None:
    old = await insert(account, table, row(a=1))
    new = await account.tables.write(table, write(Write.MERGE, row(a=2)))
    with pytest.raises(PreconditionFailed) as caught:
        await account.tables.write(table, write(kind, row(etag=old, b=1)))
    assert caught.value.status == 412
    found = await account.tables.read(table, "p", "r")
    assert found is not None
    assert (found.etag, dict(found.columns)) == (new, {"a": 2})


@pytest.mark.parametrize("kind", [Write.MERGE, Write.REPLACE, Write.DELETE])
async def test_a_write_without_its_row_is_not_found(
    account: Account, table: str, kind: Write
) -> None:
    etag = await insert(account, table, row("other"))
    for condition in (None, "*", etag):
        with pytest.raises(NotFound):
            await account.tables.write(table, write(kind, row(etag=condition)))
    assert await account.tables.read(table, "p", "r") is None


async def test_each_write_gives_another_etag(account: Account, table: str) -> None:
    kinds = [Write.INSERT, Write.MERGE, Write.REPLACE, Write.UPSERT_MERGE, Write.UPSERT_REPLACE]
    etags = {await account.tables.write(table, write(kind, row(a=1))) for kind in kinds}
    assert len(etags) == 5


async def test_upserts_take_whatever_they_find(account: Account, table: str) -> None:
    merge, replace = Write.UPSERT_MERGE, Write.UPSERT_REPLACE
    await account.tables.write(table, write(merge, row(a=1)))
    await account.tables.write(table, write(merge, row(b=2)))
    assert await columns(account, table, row()) == {"a": 1, "b": 2}
    await account.tables.write(table, write(replace, row(c=3)))
    assert await columns(account, table, row()) == {"c": 3}
    await account.tables.write(table, write(replace, row("new", d=4)))
    assert await columns(account, table, row("new")) == {"d": 4}


async def test_keys_are_case_sensitive(account: Account, table: str) -> None:
    for number, key in enumerate(("Key", "key", "KEY")):
        await insert(account, table, row(key, key, n=number))
    for number, key in enumerate(("Key", "key", "KEY")):
        assert await columns(account, table, row(key, key)) == {"n": number}
    assert await account.tables.read(table, "Key", "key") is None


@pytest.mark.parametrize(
    "key",
    [
        "with blank",
        " ends blank ",
        "it's ''quoted''",
        '"double"',
        "100% %20 %2F %27",
        "^2F^23^3F^5E",
        "@name@key",
        "a+b=c&d;e,f:g",
        "(a='x')b",  # "'," in a batched REPLACE is more than Azurite can parse; the service can
        "Zürich 東京 🐍",
        "é e\u0301",
        "<&>|~`!$*[]{}",
        "..",
        "x" * 512,
    ],
)
async def test_odd_keys(account: Account, table: str, key: str) -> None:
    other = row("other", key, n=0)
    mine = row(key, key, n=1)
    await insert(account, table, other)
    etag = await insert(account, table, mine)
    assert await columns(account, table, mine) == {"n": 1}
    etag = await account.tables.write(table, write(Write.MERGE, row(key, key, etag=etag, n=2)))
    await account.tables.batch(table, [write(Write.REPLACE, row(key, key, etag=etag, n=3))])
    assert await columns(account, table, mine) == {"n": 3}
    await account.tables.write(table, write(Write.UPSERT_REPLACE, row(key, key, n=4)))
    await account.tables.batch(table, [write(Write.DELETE, row(key, key))])
    assert await account.tables.read(table, key, key) is None
    assert await columns(account, table, other) == {"n": 0}
    await account.tables.write(table, write(Write.DELETE, other))
    assert await account.tables.read(table, key, "other") is None


@pytest.mark.parametrize("key", ["a/b", "a\\b", "a#b", "a?b", "a\x00", "a\nb", "\x7f", "x" * 513])
async def test_a_key_that_breaks_the_rules_is_refused(
    account: Account, table: str, key: str
) -> None:
    for bad in (row(key, "p"), row("r", key)):
        with pytest.raises(InvalidName):
            await insert(account, table, bad)
        with pytest.raises(InvalidName):
            await account.tables.batch(table, [write(Write.INSERT, bad)])
        with pytest.raises(InvalidName):
            await account.tables.read(table, bad.partition_key, bad.row_key)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (2**31, ValueError),
        (-(2**31) - 1, ValueError),
        (Int64(2**63), ValueError),
        (datetime(2024, 1, 1), ValueError),  # noqa: DTZ001 - the naive one is the test
        (datetime(1, 1, 1, tzinfo=UTC), ValueError),
        (None, TypeError),
        ({}, TypeError),
    ],
)
async def test_a_value_that_no_column_can_hold_is_refused(
    account: Account, table: str, value: Value, error: type[Exception]
) -> None:
    with pytest.raises(error, match="'Odd'"):
        await insert(account, table, row(Odd=value))


async def test_the_rows_own_columns_are_refused_among_the_others(
    account: Account, table: str
) -> None:
    with pytest.raises(ValueError, match="PartitionKey"):
        await insert(account, table, row(PartitionKey="x"))


@pytest.mark.parametrize("text", ["x" * 32_768, "é" * 32_768, "🐍" * 16_384])
async def test_a_string_of_64_kib_of_utf_16_fits_and_a_unit_more_does_not(
    account: Account, table: str, text: str
) -> None:
    await insert(account, table, row(Text=text))
    assert await columns(account, table, row()) == {"Text": text}
    with pytest.raises(TooLarge):
        await account.tables.write(table, write(Write.REPLACE, row(Text=text + "x")))
    with pytest.raises(TooLarge):
        await account.tables.batch(table, [write(Write.REPLACE, row(Text=text + "x"))])


async def test_64_kib_of_bytes_fit_and_one_more_does_not(account: Account, table: str) -> None:
    await insert(account, table, row(Data=b"x" * 65_536))
    assert await columns(account, table, row()) == {"Data": b"x" * 65_536}
    with pytest.raises(TooLarge):
        await insert(account, table, row("s", Data=b"x" * 65_537))


async def test_a_row_of_1_mib_fits_and_a_letter_more_does_not(account: Account, table: str) -> None:
    # Of text, not bytes: Azurite measures the request's JSON, where bytes grow by a third.
    large: dict[str, Value] = {f"C{number:02}": "x" * 32_500 for number in range(16)}
    large["Rest"] = ""
    left = (MAX_ROW_BYTES - row_bytes("p", "r", large)) // 2
    large["Rest"] = "x" * left
    assert 0 < left < 32_768
    assert row_bytes("p", "r", large) == MAX_ROW_BYTES
    await insert(account, table, row(values=large))
    assert await columns(account, table, row()) == large
    large["Rest"] = "x" * (left + 1)
    with pytest.raises(TooLarge, match="1048578 bytes"):
        await account.tables.write(table, write(Write.REPLACE, row(values=large)))


async def test_252_columns_fit_and_one_more_does_not(account: Account, table: str) -> None:
    many: dict[str, Value] = {f"C{number}": number for number in range(252)}
    await insert(account, table, row(values=many))
    assert len(await columns(account, table, row())) == 252
    with pytest.raises(TooLarge):
        await insert(account, table, row("s", values=many, More=1))
