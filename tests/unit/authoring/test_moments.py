"""Points in time as users give them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from durable.authoring.moments import in_utc
from durable.errors import UsageError

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "given",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=-7))),
    ],
    ids=["utc", "naive", "elsewhere"],
)
def test_a_time_is_given_with_or_without_a_zone(given: datetime) -> None:
    assert in_utc(given, "fire_at") == NOON
    assert in_utc(given, "fire_at").tzinfo is UTC


@pytest.mark.parametrize("given", [5, "2024-05-01", None, date(2024, 5, 1)])
def test_what_is_no_time_is_refused(given: object) -> None:
    with pytest.raises(TypeError, match="due must be a datetime, not a"):
        in_utc(given, "due")


def test_a_time_that_utc_can_not_hold_is_refused() -> None:
    late = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-7)))
    with pytest.raises(UsageError, match="due is 9999-12-31 23:00:00-07:00, which in UTC"):
        in_utc(late, "due")
