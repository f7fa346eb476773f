"""What `TableStore.query` promises, of each adapter."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from durable.errors import CorruptRecord
from durable.model.times import TickTime
from durable.storage.memory import MemoryAccount
from durable.storage.ports import Account
from durable.storage.values import (
    All,
    Comparison,
    Condition,
    Int64,
    Operation,
    Page,
    Row,
    Some,
    Value,
    Where,
    Write,
)
from tests.conformance.conformance import covers

EQ, NE = Comparison.EQ, Comparison.NE
GE, GT, LE, LT = Comparison.GE, Comparison.GT, Comparison.LE, Comparison.LT


async def fill(account: Account, table: str, *rows: Row) -> None:
    for row in rows:
        await account.tables.write(table, Operation(write=Write.INSERT, row=row))


def row(key: str, partition: str = "p", **columns: Value) -> Row:
    return Row(partition_key=partition, row_key=key, columns=columns)


def keys(page: Page) -> list[str]:
    return [found.row_key for found in page.rows]


async def found(account: Account, table: str, condition: Condition | None) -> list[str]:
    page = await account.tables.query(table, condition)
    assert page.continuation is None
    return keys(page)


async def test_rows_come_in_key_order(account: Account, table: str) -> None:
    names = ["b", "B", "a", "10", "9", "sentinel", "000000000000000A", "é", "_"]
    await fill(account, table, *(row(key, "2") for key in names), row("z", "1"), row("a", "3"))
    page = await account.tables.query(table, None)
    assert [(r.partition_key, r.row_key) for r in page.rows] == [
        ("1", "z"),
        *(("2", key) for key in sorted(names)),
        ("3", "a"),
    ]


async def test_an_empty_answer_is_a_page(account: Account, table: str) -> None:
    page = await account.tables.query(table, None)
    assert (page.rows, page.continuation) == ((), None)


async def test_served_at_is_the_services_clock_in_seconds(
    account: Account, table: str, manual_clock: object
) -> None:
    page = await account.tables.query(table, Where("RowKey", EQ, "absent"))
    assert page.served_at.microsecond == 0
    if isinstance(account, MemoryAccount):
        assert page.served_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    else:
        assert abs(page.served_at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [(EQ, "b"), (NE, "ac"), (GE, "bc"), (GT, "c"), (LE, "ab"), (LT, "a")],
)
@pytest.mark.parametrize(
    "values",
    [
        ("a", "b", "c"),
        ("", "Zürich '東京'", "\uffff"),
        (-1, 0, 2**31 - 1),
        (Int64(-(2**63)), Int64(2**40), Int64(2**63 - 1)),
        (-0.5, 0.25, 1e300),
        (
            datetime(1999, 1, 1, tzinfo=UTC),
            datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
            datetime(2024, 1, 1, 0, 0, 1, tzinfo=UTC),
        ),
    ],
    ids=["text", "odd-text", "int32", "int64", "float", "time"],
)
async def test_every_comparison_of_every_ordered_type(
    account: Account,
    table: str,
    values: tuple[Value, Value, Value],
    comparison: Comparison,
    expected: str,
) -> None:
    rows = [row(key, V=value) for key, value in zip("abc", values, strict=True)]
    await fill(account, table, *rows, row("without"))
    assert await found(account, table, Where("V", comparison, values[1])) == list(expected)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, False),
        (b"\x00\xff", b""),
        (uuid.UUID(int=1), uuid.UUID(int=2)),
    ],
    ids=["bool", "bytes", "guid"],
)
async def test_equality_of_the_other_types(
    account: Account, table: str, one: Value, other: Value
) -> None:
    await fill(account, table, row("a", V=one), row("b", V=other), row("without"))
    assert await found(account, table, Where("V", EQ, one)) == ["a"]
    assert await found(account, table, Where("V", NE, one)) == ["b"]


async def test_the_seventh_decimal_counts(account: Account, table: str, on_azurite: bool) -> None:
    if on_azurite:
        pytest.xfail("Azurite compares times in milliseconds.")
    moment = datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    ticks = [TickTime.of(moment, tick) for tick in (0, 3, 9)]
    await fill(account, table, *(row(k, V=v) for k, v in zip("abc", ticks, strict=True)))
    assert await found(account, table, Where("V", EQ, ticks[1])) == ["b"]
    assert await found(account, table, Where("V", GT, ticks[1])) == ["c"]


async def test_conditions_on_the_rows_own_columns(account: Account, table: str) -> None:
    await fill(account, table, row("a", "1"), row("b", "1"), row("c", "2"))
    assert await found(account, table, Where("PartitionKey", EQ, "1")) == ["a", "b"]
    assert await found(account, table, Where("PartitionKey", GT, "1")) == ["c"]
    assert await found(account, table, Where("RowKey", GE, "b")) == ["b", "c"]
    early, late = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    assert await found(account, table, Where("Timestamp", GT, early)) == ["a", "b", "c"]
    assert await found(account, table, Where("Timestamp", GT, late)) == []


async def test_all_some_and_their_nesting(account: Account, table: str) -> None:
    await fill(account, table, *(row(f"{x}{y}", X=x, Y=y) for x in range(3) for y in range(3)))
    both = All((Where("X", EQ, 1), Where("Y", EQ, 2)))
    either = Some((Where("X", EQ, 2), Where("Y", EQ, 2)))
    assert await found(account, table, both) == ["12"]
    assert await found(account, table, either) == ["02", "12", "20", "21", "22"]
    assert await found(account, table, All((either, Where("X", LT, 2)))) == ["02", "12"]
    assert await found(account, table, Some((both, All((Where("X", EQ, 0), either))))) == [
        "02",
        "12",
    ]


async def test_texts_that_begin_alike_are_a_range(account: Account, table: str) -> None:
    """How lists leave out entities that don't exist, by their custom status."""
    beginning = '{"entityExists":true'
    texts = ["}", ',"lockedBy":"i"}', ',"lockedBy":"\U0001f600"}', ""]
    await fill(
        account,
        table,
        *(row(str(n), V=beginning + text) for n, text in enumerate(texts)),
        row("absent"),
        *(row(text, V=text) for text in ("{}", "null", '{"entityExists":trud', '{"entityExists"}')),
        row("longer", V='{"entityExists":trve}'),
    )
    inside = All((Where("V", GE, beginning), Where("V", LT, '{"entityExists":truf')))
    assert await found(account, table, inside) == ["0", "1", "2", "3"]


async def test_all_of_nothing_is_true_and_some_of_nothing_is_false(
    account: Account, table: str
) -> None:
    await fill(account, table, row("a"), row("", ""))
    assert await found(account, table, All(())) == ["", "a"]
    assert await found(account, table, Some(())) == []
    assert await found(account, table, All((Where("RowKey", EQ, "a"), All(())))) == ["a"]
    assert await found(account, table, Some((Where("RowKey", EQ, "a"), Some(())))) == ["a"]


@covers("dtfx-8.5-6", "dtfx-8.5-10")
@pytest.mark.parametrize("text", ["' or 1 eq 1 or 'x' eq '", "''", "a' and 'b", "%27", "@x", " "])
async def test_a_text_in_a_condition_is_only_a_text(
    account: Account, table: str, text: str
) -> None:
    await fill(account, table, row("a", V=text), row("b", V="other"))
    assert await found(account, table, Where("V", EQ, text)) == ["a"]


async def test_a_value_that_cannot_be_stored_cannot_be_asked_for(
    account: Account, table: str
) -> None:
    with pytest.raises(ValueError, match="Int32"):
        await account.tables.query(table, Where("V", EQ, 2**31))


async def test_select_gives_the_columns_named_and_always_the_rows_own(
    account: Account, table: str
) -> None:
    await fill(account, table, row("a", A=1, B=2, C=3), row("b", C=4))
    page = await account.tables.query(table, None, select=("A", "B"))
    assert [dict(r.columns) for r in page.rows] == [{"A": 1, "B": 2}, {}]
    for selected in page.rows:
        full = await account.tables.read(table, "p", selected.row_key)
        assert full is not None
        assert (selected.partition_key, selected.etag, selected.timestamp) == (
            "p",
            full.etag,
            full.timestamp,
        )


async def pages(
    account: Account, table: str, condition: Condition | None, size: int
) -> list[list[str]]:
    got: list[list[str]] = []
    continuation = None
    while True:
        page = await account.tables.query(
            table, condition, page_size=size, continuation=continuation
        )
        got.append(keys(page))
        continuation = page.continuation
        if continuation is None:
            return got


@pytest.mark.parametrize("condition", [None, Where("Even", EQ, True)], ids=["all", "some"])
async def test_pages_follow_each_other_without_gap_or_overlap(
    account: Account, table: str, condition: Condition | None
) -> None:
    everything = [
        row(f"it's {n:02} %/ü".replace("/", ""), part, Even=n % 2 == 0)
        for part in ("p 1", "p'2", "q")
        for n in range(7)
    ]
    await fill(account, table, *everything)
    got = await pages(account, table, condition, 4)
    expected = [r.row_key for r in everything if condition is None or r.columns["Even"]]
    assert [key for page in got for key in page] == expected
    assert len(got) >= 3
    assert all(len(page) <= 4 for page in got)


async def test_an_empty_row_key_survives_the_continuation(account: Account, table: str) -> None:
    await fill(account, table, *(row("", f"i{n}") for n in range(5)))
    first = await account.tables.query(table, None, page_size=2)
    assert [r.partition_key for r in first.rows] == ["i0", "i1"]
    second = await account.tables.query(table, None, page_size=9, continuation=first.continuation)
    assert [r.partition_key for r in second.rows] == ["i2", "i3", "i4"]
    assert second.continuation is None


async def test_a_continuation_sees_what_was_written_since(account: Account, table: str) -> None:
    await fill(account, table, *(row(key) for key in "acegi"))
    first = await account.tables.query(table, None, page_size=2)
    await fill(account, table, row("b"), row("h"))
    await account.tables.write(table, Operation(write=Write.DELETE, row=row("e")))
    rest = await account.tables.query(table, None, continuation=first.continuation)
    assert keys(first) + keys(rest) == ["a", "c", "g", "h", "i"]


@pytest.mark.slow
async def test_a_page_has_at_most_1000_rows(account: Account, table: str) -> None:
    for start in range(0, 1100, 100):
        await account.tables.batch(
            table,
            [
                Operation(write=Write.INSERT, row=row(f"{start + n:04}", N=start + n))
                for n in range(100)
            ],
        )
    first = await account.tables.query(table, Where("PartitionKey", EQ, "p"))
    assert len(first.rows) == 1000
    assert first.continuation is not None
    second = await account.tables.query(
        table, Where("PartitionKey", EQ, "p"), continuation=first.continuation
    )
    assert keys(second) == [f"{n:04}" for n in range(1000, 1100)]


@pytest.mark.parametrize("size", [0, 1001])
async def test_a_page_size_is_1_to_1000(account: Account, table: str, size: int) -> None:
    with pytest.raises(ValueError, match="1 to 1000"):
        await account.tables.query(table, None, page_size=size)


@pytest.mark.parametrize("text", ["nonsense", "", "WyJvdGhlciIsICJhIiwgImIiXQ==", "é", "W10="])
async def test_a_continuation_that_is_not_the_stores_is_refused(
    account: Account, table: str, text: str
) -> None:
    with pytest.raises(CorruptRecord):
        await account.tables.query(table, None, continuation=text)
