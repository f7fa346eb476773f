"""Since when the queues are served without a gap (R7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from durable.runtime.served import Served
from tests.manual_clock import ManualClock

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(BEGIN)


def after(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def test_r7_the_time_that_counts_begins_with_the_process(clock: ManualClock) -> None:
    clock.advance(5)
    served = Served(clock, gap_seconds=20)
    assert served.since == after(5)


def test_r7_time_counts_while_the_process_is_noted_often_enough(
    clock: ManualClock,
) -> None:
    served = Served(clock, gap_seconds=20)
    for pause in (10, 10, 20, 20):
        clock.advance(pause)
        assert served.note() == BEGIN
    assert served.since == BEGIN


def test_r7_a_silence_longer_than_the_gap_starts_the_count_anew(
    clock: ManualClock,
) -> None:
    served = Served(clock, gap_seconds=20)
    clock.advance(20.5)
    assert served.note() == after(20.5)
    clock.advance(19.5)
    assert served.note() == after(20.5)


def test_r7_a_clock_that_was_set_back_starts_the_count_anew(clock: ManualClock) -> None:
    clock.advance(100)
    served = Served(clock, gap_seconds=20)
    clock.advance(-10)
    assert served.note() == after(100)
    clock.advance(-40)
    assert served.note() == after(50)
