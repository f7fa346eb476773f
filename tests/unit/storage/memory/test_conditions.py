"""Conditions in memory, beyond what the contract suite compares with Azurite."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from durable.model.times import TickTime
from durable.storage.memory.conditions import Span, beside, check_condition, matches, span_of
from durable.storage.values import All, Comparison, Condition, Int64, Some, Value, Where

EQ, NE, LT, LE = Comparison.EQ, Comparison.NE, Comparison.LT, Comparison.LE
GE, GT = Comparison.GE, Comparison.GT


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


def keys(comparison: Comparison, value: Value) -> Where:
    return Where("RowKey", comparison, value)


@pytest.mark.parametrize(
    ("condition", "span"),
    [
        (None, Span()),
        (keys(EQ, "p"), Span("p", "p")),
        (All((Where("V", EQ, "a"), All((keys(EQ, "p"),)))), Span("p", "p")),
        (All((keys(GE, "b"), keys(LT, "d"))), Span("b", "d")),
        (All((keys(GT, "b"), keys(GE, "a"), keys(LE, "d"), keys(LE, "e"))), Span("b", "d")),
        # In the service's order a surrogate, so a character beyond U+FFFF, comes before U+FF5E.
        (All((keys(GE, "\U0001f600"), keys(GE, "\uff5e"))), Span("\uff5e")),
        (Some((keys(EQ, "p"),)), Span()),
        (keys(NE, "p"), Span()),
        (keys(GE, 1), Span()),
        (All(()), Span()),
    ],
    ids=repr,
)
def test_keys_are_looked_for_where_they_must_be(condition: Condition | None, span: Span) -> None:
    assert span_of(condition, "RowKey") == span


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (None, None),
        (keys(EQ, "p"), None),
        (keys(GE, 1), All((keys(GE, 1),))),
        (All((keys(GE, "b"), keys(LT, "d"), keys(LE, "d"))), All((keys(LT, "d"),))),
        (All((keys(EQ, "p"), Where("V", EQ, "p"))), All((Where("V", EQ, "p"),))),
        (All((All((keys(EQ, "p"),)),)), All((All((keys(EQ, "p"),)),))),
        (Some((keys(EQ, "p"),)), Some((keys(EQ, "p"),))),
    ],
    ids=repr,
)
def test_what_a_span_does_not_say_is_still_asked(
    condition: Condition | None, left: Condition | None
) -> None:
    assert beside(condition, ("RowKey",)) == left


def test_every_value_of_a_condition_is_checked() -> None:
    check_condition(Some((Where("V", EQ, 1), All((Where("W", EQ, "x"),)))))
    with pytest.raises(ValueError, match="Int32"):
        check_condition(Some((Where("V", EQ, 1), All((Where("W", EQ, 2**31),)))))
