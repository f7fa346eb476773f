"""Points in time with .NET's seventh decimal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from durable.model.times import NO_TIME, TickTime, from_ticks, tick_of, ticks_of

MOMENT = datetime(2024, 2, 29, 12, 34, 56, 123456, tzinfo=UTC)
MOMENTS = st.datetimes(timezones=st.just(UTC))


def test_no_time_is_dotnets_min_value() -> None:
    assert datetime(1, 1, 1, tzinfo=UTC) == NO_TIME


def test_a_moment_without_a_seventh_decimal_stays_as_it_is() -> None:
    assert TickTime.of(MOMENT, 0) is MOMENT
    assert tick_of(MOMENT) == 0


@given(MOMENTS, st.integers(1, 9))
def test_the_seventh_decimal_rides_along_and_is_not_compared(moment: datetime, tick: int) -> None:
    made = TickTime.of(moment, tick)
    assert isinstance(made, TickTime)
    assert tick_of(made) == tick
    assert made == moment
    assert hash(made) == hash(moment)
    assert made.tzinfo is UTC


def test_a_calculated_moment_has_no_seventh_decimal() -> None:
    later = TickTime.of(MOMENT, 7) + timedelta(seconds=1)
    assert tick_of(later) == 0
    assert later == MOMENT + timedelta(seconds=1)


@pytest.mark.parametrize("tick", [1, 9])
def test_one_moment_is_one_key_whatever_its_seventh_decimal(tick: int) -> None:
    assert {MOMENT: "a"}[TickTime.of(MOMENT, tick)] == "a"


@given(MOMENTS, st.integers(0, 9))
def test_ticks_count_hundreds_of_nanoseconds(moment: datetime, tick: int) -> None:
    ticks = ticks_of(TickTime.of(moment, tick))
    assert ticks_of(from_ticks(ticks)) == ticks
    assert from_ticks(ticks) == moment
    assert tick_of(from_ticks(ticks)) == tick
    assert ticks_of(NO_TIME) == 0


def test_ticks_end_with_the_calendar() -> None:
    last = ticks_of(TickTime.of(datetime.max.replace(tzinfo=UTC), 9))
    assert ticks_of(from_ticks(last)) == last
    with pytest.raises(OverflowError):
        from_ticks(last + 1)
