"""The rules of names, values and sizes."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given, strategies as st

from durable.errors import InvalidName, TooLarge
from durable.model.times import TickTime
from durable.storage.rules import (
    check_batch,
    check_between,
    check_blob_name,
    check_container_name,
    check_key,
    check_message,
    check_queue_name,
    check_row,
    check_seconds,
    check_table_name,
    ordinal,
    plain_value,
    row_bytes,
    starting_with,
    utf16_units,
)
from durable.storage.values import Int64, Operation, Row, Value, Write


class Color(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Shout(bytes):
    pass


class Ratio(float):
    pass


def test_names_that_are_allowed() -> None:
    assert check_queue_name("hub-control-00") == "hub-control-00"
    assert check_container_name("hub-largemessages") == "hub-largemessages"
    assert check_table_name("MyHubHistory") == "MyHubHistory"
    assert check_blob_name("a/b") == "a/b"
    assert check_key("RowKey", "") == ""
    assert check_seconds("delay", 604_800) == 604_800
    assert check_between("count", 32, 32) == 32


@pytest.mark.parametrize("name", ["a\n", "abc\n", "ab-", "A" * 3, "a" * 64])
def test_queue_and_container_names_that_are_not(name: str) -> None:
    with pytest.raises(InvalidName, match="Queue name"):
        check_queue_name(name)
    with pytest.raises(InvalidName, match="Container name"):
        check_container_name(name)


@pytest.mark.parametrize("name", ["Tables", "abc\n", "a b"])
def test_table_names_that_are_not(name: str) -> None:
    with pytest.raises(InvalidName, match="Table name"):
        check_table_name(name)


def test_the_rule_and_the_character_are_named() -> None:
    with pytest.raises(InvalidName, match=r"RowKey 'a#b' contains '#'"):
        check_key("RowKey", "a#b")
    with pytest.raises(InvalidName, match="514 UTF-16 units"):
        check_key("PartitionKey", "🐍" * 257)
    with pytest.raises(ValueError, match=r"U\+0001 at 2"):
        check_message("q", "ab\x01")
    with pytest.raises(TooLarge, match="65537 bytes"):
        check_message("q", "x" * 65_537)


@pytest.mark.parametrize(
    ("given_value", "plain"),
    [
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Shout(b"x"), b"x"),
        (Ratio(0.5), 0.5),
        (True, True),
        (Int64(7), Int64(7)),
        (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_value_becomes_the_plain_type_that_is_read_again(
    given_value: Value, plain: Value
) -> None:
    found = plain_value("C", given_value)
    assert (found, type(found)) == (plain, type(plain))


def test_a_tick_time_keeps_its_tick() -> None:
    moment = TickTime.of(datetime(2024, 1, 1, tzinfo=UTC), 4)
    found = plain_value("C", moment)
    assert isinstance(found, TickTime)
    assert found.tick == 4


def test_a_batch_knows_its_rules() -> None:
    one = Operation(write=Write.INSERT, row=Row(partition_key="p", row_key="a"))
    check_batch([one])
    with pytest.raises(ValueError, match="'a' occurs twice"):
        check_batch([one, one])


def test_a_row_is_checked_whole() -> None:
    row = Row(partition_key="p", row_key="r", columns={"A": Color.RED})
    assert check_row("Table", row) == {"A": "red"}
    with pytest.raises(TypeError, match="'A' cannot hold a list"):
        check_row("Table", Row(partition_key="p", row_key="r", columns={"A": cast("Value", [1])}))


def test_the_size_of_a_row_is_the_services_formula() -> None:
    # 4 + 2 * len(keys); a column: 8 + 2 * len(name) + its value
    assert row_bytes("pk", "r", {}) == 4 + 2 * 3
    values: dict[str, Value] = {"ab": "xyz"}
    assert row_bytes("", "", values) == 4 + 8 + 4 + (4 + 6)
    assert row_bytes("", "", {"a": True}) == 4 + 8 + 2 + 1
    assert row_bytes("", "", {"a": 1}) == 4 + 8 + 2 + 4
    assert row_bytes("", "", {"a": Int64(1)}) == 4 + 8 + 2 + 8
    assert row_bytes("", "", {"a": b"12345"}) == 4 + 8 + 2 + 4 + 5


@given(st.text())
def test_utf16_units_are_those_of_the_encoding(text: str) -> None:
    assert utf16_units(text) == len(ordinal(text)) // 2


@given(st.lists(st.text(st.characters(codec="ascii"))))
def test_ordinal_order_of_ascii_is_pythons(texts: list[str]) -> None:
    assert sorted(texts, key=ordinal) == sorted(texts)


def test_ordinal_order_is_by_utf_16_units() -> None:
    assert ordinal("\U0001f40d") < ordinal("\uff5e")


def test_starting_with_is_sorted_and_case_sensitive() -> None:
    assert starting_with("a", ["ab", "b", "Aa", "aa"]) == ["aa", "ab"]
