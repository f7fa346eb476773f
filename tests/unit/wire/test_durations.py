from __future__ import annotations

from datetime import timedelta

import pytest

from durable.wire.durations import duration_text, parse_duration


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(0), "PT0H0M0S"),
        (timedelta(days=1), "P1DT0H0M0S"),
        (timedelta(hours=1, minutes=2, seconds=3, microseconds=40), "PT1H2M3.00004S"),
        (-timedelta(days=400, seconds=1), "-P400DT0H0M1S"),
    ],
    ids=str,
)
def test_a_duration_is_written_and_read(value: timedelta, text: str) -> None:
    assert duration_text(value) == text
    assert parse_duration(text) == value


@pytest.mark.parametrize("text", ["P", "PT", "", "1D", "P1Y", "PT1.S", "P-1D"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_duration(text)


def test_digits_beyond_microseconds_are_cut() -> None:
    assert parse_duration("PT1.1234567S") == timedelta(seconds=1, microseconds=123456)
