"""What `TableStore.batch` promises, of each adapter."""

from __future__ import annotations

import pytest

from durable.errors import Conflict, NotFound, PreconditionFailed, StorageError, TooLarge
from durable.storage.ports import Account
from durable.storage.values import Operation, Row, Value, Write


def op(kind: Write, key: str, etag: str | None = None, /, **columns: Value) -> Operation:
    return Operation(
        write=kind, row=Row(partition_key="p", row_key=key, columns=columns, etag=etag)
    )


async def rows(account: Account, table: str) -> dict[str, dict[str, Value]]:
    page = await account.tables.query(table, None)
    return {row.row_key: dict(row.columns) for row in page.rows}


async def test_a_batch_does_every_kind_of_write_and_answers_in_order(
    account: Account, table: str
) -> None:
    first = [op(Write.INSERT, key, a=1, b=1) for key in ("merge", "replace", "delete", "exact")]
    etags = await account.tables.batch(table, first)
    assert len(etags) == 4  # not always distinct: Azurite makes them of the time
    assert all(etags)
    after = await account.tables.batch(
        table,
        [
            op(Write.INSERT, "insert", a=2),
            op(Write.MERGE, "merge", None, a=2),
            op(Write.REPLACE, "replace", "*", a=2),
            op(Write.DELETE, "delete"),
            op(Write.MERGE, "exact", etags[3], a=2),
            op(Write.UPSERT_MERGE, "new", a=2),
            op(Write.UPSERT_REPLACE, "new2", a=2),
        ],
    )
    assert [bool(etag) for etag in after] == [True, True, True, False, True, True, True]
    assert await rows(account, table) == {
        "insert": {"a": 2},
        "merge": {"a": 2, "b": 1},
        "replace": {"a": 2},
        "exact": {"a": 2, "b": 1},
        "new": {"a": 2},
        "new2": {"a": 2},
    }
    for key, etag in zip(("insert", "merge", "replace"), after[:3], strict=True):
        found = await account.tables.read(table, "p", key)
        assert found is not None
        assert found.etag == etag


@pytest.mark.parametrize(
    ("failing", "error"),
    [
        (op(Write.INSERT, "there", a=2), Conflict),
        (op(Write.MERGE, "absent", a=2), NotFound),
        (op(Write.REPLACE, "absent", "*", a=2), NotFound),
        (op(Write.DELETE, "absent"), NotFound),
        (op(Write.MERGE, "there", "old", a=2), PreconditionFailed),
        (op(Write.REPLACE, "there", "old", a=2), PreconditionFailed),
        (op(Write.DELETE, "there", "old"), PreconditionFailed),
    ],
    ids=lambda value: getattr(getattr(value, "write", value), "name", None),
)
async def test_one_failing_write_fails_the_batch_and_nothing_is_done(
    account: Account, table: str, failing: Operation, error: type[StorageError]
) -> None:
    old = await account.tables.write(table, op(Write.INSERT, "there", a=0))
    await account.tables.write(table, op(Write.REPLACE, "there", a=1))
    if failing.row.etag == "old":
        failing = op(failing.write, "there", old, a=2)
    others = [op(Write.INSERT, "before"), failing, op(Write.UPSERT_MERGE, "after")]
    with pytest.raises(error) as caught:
        await account.tables.batch(table, others)
    assert caught.value.operation == "Entity Group Transaction"
    assert await rows(account, table) == {"there": {"a": 1}}


async def test_100_rows_fit_and_101_do_not(account: Account, table: str) -> None:
    many = [op(Write.INSERT, f"{number:03}", n=number) for number in range(100)]
    etags = await account.tables.batch(table, many)
    assert len(etags) == 100
    assert await rows(account, table) == {f"{n:03}": {"n": n} for n in range(100)}
    with pytest.raises(ValueError, match="101"):
        await account.tables.batch(table, [*many, op(Write.INSERT, "more")])


async def test_a_batch_that_breaks_the_rules_is_refused(account: Account, table: str) -> None:
    with pytest.raises(ValueError, match="not 0"):
        await account.tables.batch(table, [])
    with pytest.raises(ValueError, match="twice"):
        await account.tables.batch(table, [op(Write.INSERT, "a"), op(Write.MERGE, "a")])
    elsewhere = Operation(write=Write.INSERT, row=Row(partition_key="q", row_key="b"))
    with pytest.raises(ValueError, match="one partition"):
        await account.tables.batch(table, [op(Write.INSERT, "a"), elsewhere])
    assert await rows(account, table) == {}


def large_rows(count: int, columns: int) -> list[Operation]:
    return [
        op(Write.INSERT, str(row), **{f"C{column}": "x" * 32_000 for column in range(columns)})
        for row in range(count)
    ]


async def test_just_under_4_mib_fit_and_over_4_mib_do_not(account: Account, table: str) -> None:
    under = large_rows(10, 13)  # 4,160,000 of 4,194,304 bytes, and what surrounds them
    assert len(await account.tables.batch(table, under)) == 10
    await account.tables.delete_table(table)
    await account.tables.create_table(table)
    with pytest.raises(TooLarge) as caught:
        await account.tables.batch(table, large_rows(11, 12))  # 4,224,000 bytes
    assert caught.value.status == 413
    assert await rows(account, table) == {}


async def test_an_empty_row_key_in_a_batch(account: Account, table: str) -> None:
    etags = await account.tables.batch(table, [op(Write.INSERT, "", a=1)])
    etags = await account.tables.batch(table, [op(Write.MERGE, "", etags[0], b=2)])
    etags = await account.tables.batch(table, [op(Write.REPLACE, "", etags[0], c=3)])
    assert await rows(account, table) == {"": {"c": 3}}
    await account.tables.batch(table, [op(Write.UPSERT_REPLACE, "", d=4)])
    await account.tables.batch(table, [op(Write.DELETE, "")])
    assert await rows(account, table) == {}
