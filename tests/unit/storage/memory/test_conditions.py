"""Conditions in memory, beyond what the contract suite compares with Azurite."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from durable.model.times import TickTime
from durable.storage.memory.conditions import check_condition, matches, pinned
from durable.storage.values import All, Comparison, Int64, Some, Value, Where

EQ, NE, LT = Comparison.EQ, Comparison.NE, Comparison.LT


def test_no_condition_is_always_met() -> None:
    assert matches(None, {})
    check_condition(None)


@pytest.mark.parametrize(
    ("found", "asked"),
    [("1", 1), (1, "1"), (True, 1), (b"a", "a"), (uuid.UUID(int=0), "")],
    ids=repr,
)
def test_values_of_two_kinds_never_match(found: Value, asked: Value) -> None:
    for comparison in Comparison:
        assert not matches(Where("V", comparison, asked), {"V": found})


def test_numbers_match_whatever_their_width() -> None:
    assert matches(Where("V", EQ, Int64(1)), {"V": 1})
    assert matches(Where("V", LT, 1.5), {"V": 1})


def test_a_missing_column_never_matches_not_even_ne() -> None:
    assert not matches(Where("V", NE, 1), {})


def test_ticks_are_compared() -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert matches(Where("V", LT, TickTime.of(moment, 2)), {"V": TickTime.of(moment, 1)})


def test_the_pinned_value_is_found_only_where_it_must_hold() -> None:
    here = Where("PartitionKey", EQ, "p")
    assert pinned(here, "PartitionKey") == "p"
    assert pinned(All((Where("V", EQ, 1), All((here,)))), "PartitionKey") == "p"
    assert pinned(Some((here,)), "PartitionKey") is None
    assert pinned(Where("PartitionKey", NE, "p"), "PartitionKey") is None
    assert pinned(All(()), "PartitionKey") is None
    assert pinned(None, "PartitionKey") is None


def test_every_value_of_a_condition_is_checked() -> None:
    check_condition(Some((Where("V", EQ, 1), All((Where("W", EQ, "x"),)))))
    with pytest.raises(ValueError, match="Int32"):
        check_condition(Some((Where("V", EQ, 1), All((Where("W", EQ, 2**31),)))))
