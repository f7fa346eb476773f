"""Points in time that keep .NET's hundred nanoseconds.

Python counts microseconds; .NET writes seven decimals. A time that is only passed on must come out
as it came in, so the seventh decimal rides along in `TickTime`. Comparing ignores it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: .NET's ``DateTime.MinValue``: "no time".
NO_TIME = datetime(1, 1, 1, tzinfo=UTC)


class TickTime(datetime):
    """A datetime with one more decimal: `tick`, 0 to 9 hundreds of nanoseconds."""

    tick: int = 0

    @classmethod
    def of(cls, moment: datetime, tick: int) -> datetime:
        """`moment` with its seventh decimal; a plain datetime when that is 0."""
        if tick == 0:
            return moment
        made = cls(
            moment.year,
            moment.month,
            moment.day,
            moment.hour,
            moment.minute,
            moment.second,
            moment.microsecond,
            moment.tzinfo,
        )
        made.tick = tick
        return made


def tick_of(moment: datetime) -> int:
    """The seventh decimal of `moment`, 0 when it never had one."""
    return moment.tick if isinstance(moment, TickTime) else 0


def ticks_of(moment: datetime) -> int:
    """`moment` (UTC) in .NET's ticks: hundreds of nanoseconds since `NO_TIME`."""
    past = moment - NO_TIME
    seconds = past.days * 86_400 + past.seconds
    return (seconds * 1_000_000 + past.microseconds) * 10 + tick_of(moment)


def from_ticks(ticks: int) -> datetime:
    """The inverse of `ticks_of`.

    Raises:
        OverflowError: it is beyond the year 9999.
    """
    return TickTime.of(NO_TIME + timedelta(microseconds=ticks // 10), ticks % 10)
