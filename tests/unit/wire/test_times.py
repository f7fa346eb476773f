from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from durable.errors import EngineBug
from durable.model.times import NO_TIME, TickTime, tick_of
from durable.wire.times import (
    TABLE_MIN,
    format_exact,
    format_time,
    from_column,
    from_milliseconds,
    parse_time,
    to_column,
    to_milliseconds,
)
from tests.conformance.conformance import covers
from tests.unit.wire.conftest import MOMENTS

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment", "tick"),
    [
        ("2024-01-02T12:00:00Z", NOON, 0),
        ("2024-01-02T12:00:00", NOON, 0),
        ("2024-01-02T12:00:00.5Z", NOON + timedelta(milliseconds=500), 0),
        ("2024-01-02T12:00:00.1234567Z", NOON + timedelta(microseconds=123456), 7),
        ("2024-01-02T12:00:00.123456789", NOON + timedelta(microseconds=123456), 7),
        ("2024-01-02T14:30:00.0000009+02:30", NOON, 9),
        ("2024-01-02T07:00:00-05:00", NOON, 0),
        ("0001-01-01T00:00:00", NO_TIME, 0),
    ],
)
def test_parse(text: str, moment: datetime, tick: int) -> None:
    parsed = parse_time(text)
    assert parsed == moment
    assert tick_of(parsed) == tick
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-01-02",
        "2024-01-02T12:00:00z",
        "2024-13-02T12:00:00Z",
        "2024-01-02T24:00:00Z",
        "2024-01-02T12:00:00.Z",
        "٢٠٢٤-01-02T12:00:00Z",
        "2024-01-02T12:00:00Z\n",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:00:00-01:00",
    ],
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|month|hour"):
        parse_time(text)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON, "2024-01-02T12:00:00Z"),
        (NOON.replace(microsecond=120000), "2024-01-02T12:00:00.12Z"),
        (TickTime.of(NOON, 1), "2024-01-02T12:00:00.0000001Z"),
        (NO_TIME, "0001-01-01T00:00:00"),
        (TickTime.of(NO_TIME, 1), "0001-01-01T00:00:00.0000001Z"),
    ],
)
def test_format(moment: datetime, text: str) -> None:
    assert format_time(moment) == text


def test_format_exact_keeps_seven_decimals() -> None:
    assert format_exact(TickTime.of(NOON, 5)) == "2024-01-02T12:00:00.0000005Z"
    assert format_exact(NO_TIME) == "0001-01-01T00:00:00.0000000Z"


def test_other_zones_are_shifted_and_keep_their_tick() -> None:
    there = TickTime.of(datetime(2024, 1, 2, 14, tzinfo=timezone(timedelta(hours=2))), 3)
    assert format_time(there) == "2024-01-02T12:00:00.0000003Z"
    assert to_column(there).utcoffset() == timedelta()


def test_a_time_without_zone_is_our_bug() -> None:
    with pytest.raises(EngineBug, match="2024-01-02T12:00:00"):
        format_time(NOON.replace(tzinfo=None))


@given(MOMENTS)
def test_text_round_trip(moment: datetime) -> None:
    for text in (format_time(moment), format_exact(moment)):
        assert parse_time(text) == moment
        assert tick_of(parse_time(text)) == tick_of(moment)


@covers("dtfx-8.6-1")
def test_no_time_is_the_earliest_a_table_keeps() -> None:
    assert to_column(NO_TIME) == TABLE_MIN
    assert from_column(TABLE_MIN) == NO_TIME
    assert to_column(NOON) is NOON
    assert from_column(NOON) is NOON


@given(st.integers(-(10**13), 10**14))
def test_milliseconds_round_trip(milliseconds: int) -> None:
    assert to_milliseconds(from_milliseconds(milliseconds)) == milliseconds


def test_milliseconds_are_rounded_down() -> None:
    assert to_milliseconds(datetime(1970, 1, 1, 0, 0, 1, 1999, tzinfo=UTC)) == 1001


@pytest.mark.parametrize("milliseconds", [10**15, -(10**15), 10**40])
def test_milliseconds_out_of_range(milliseconds: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        from_milliseconds(milliseconds)
