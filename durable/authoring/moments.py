"""Points in time as users give them."""

from __future__ import annotations

from datetime import UTC, datetime

from durable.errors import UsageError


def in_utc(moment: object, what: str) -> datetime:
    """`moment` in UTC, which it is when it has no time zone; `what` names the parameter.

    Raises:
        TypeError: it is no datetime.
        UsageError: it is outside the years 1 to 9999 in UTC.
    """
    if not isinstance(moment, datetime):
        raise TypeError(
            f"{what} must be a datetime, not a {type(moment).__name__}: "
            "context.current_utc_datetime + timedelta(...)."
        )
    if moment.utcoffset() is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise UsageError(
            f"{what} is {moment}, which in UTC is outside the years 1 to 9999."
        ) from error
