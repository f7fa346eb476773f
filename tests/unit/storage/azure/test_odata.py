"""OData texts."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from durable.model.times import TickTime
from durable.storage.azure.odata import literal, odata_filter, time_text
from durable.storage.values import All, Comparison, Condition, Int64, Some, Value, Where

EQ = Comparison.EQ


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", "''"),
        ("it's", "'it''s'"),
        (True, "true"),
        (False, "false"),
        (-5, "-5"),
        (Int64(5), "5L"),
        (1.5, "1.5"),
        (datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "datetime'2024-01-02T03:04:05.0000000Z'"),
        (
            TickTime.of(datetime(2024, 1, 2, 3, 4, 5, 60, tzinfo=UTC), 7),
            "datetime'2024-01-02T03:04:05.0000607Z'",
        ),
        (b"\x00\xff", "X'00ff'"),
        (
            uuid.UUID("c9da6455-213d-42c9-9a79-3e9149a57833"),
            "guid'c9da6455-213d-42c9-9a79-3e9149a57833'",
        ),
    ],
)
def test_literals(value: Value, text: str) -> None:
    assert literal(value) == text


@given(st.text())
def test_a_text_cannot_leave_its_quotes(text: str) -> None:
    quoted = literal(text)
    assert quoted[0] == quoted[-1] == "'"
    assert "'" not in quoted[1:-1].replace("''", "")
    assert quoted[1:-1].replace("''", "'") == text


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Where("A", Comparison.NE, 1), "A ne 1"),
        (All((Where("A", EQ, 1),)), "A eq 1"),
        (All((Where("A", EQ, 1), Where("B", EQ, 2))), "(A eq 1) and (B eq 2)"),
        (
            Some((Where("A", EQ, 1), All((Where("B", EQ, 2), Where("C", EQ, "x"))))),
            "(A eq 1) or ((B eq 2) and (C eq 'x'))",
        ),
        (All(()), "PartitionKey ge ''"),
        (Some(()), "PartitionKey lt ''"),
    ],
)
def test_filters(condition: Condition, text: str) -> None:
    assert odata_filter(condition) == text


@pytest.mark.parametrize("column", ["", "A eq 1 or B", "A'", "1A", "a-b", "A\n"])
def test_a_column_that_is_no_name_is_refused(column: str) -> None:
    with pytest.raises(ValueError, match="not the name of a column"):
        odata_filter(Where(column, EQ, 1))


def test_times_are_written_in_utc() -> None:
    moment = datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert time_text(moment) == "2023-12-31T23:00:00.0000000Z"
