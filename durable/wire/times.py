"""Times as .NET writes them: text in messages, Edm.DateTime in rows."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from durable.errors import EngineBug
from durable.model.times import NO_TIME, TickTime, tick_of

#: Azure Tables keeps no earlier time. Rows hold it where the framework has "no time".
TABLE_MIN = datetime(1601, 1, 1, tzinfo=UTC)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,16}))?(?:Z|([+-])(\d\d):(\d\d))?",
    re.ASCII,
)


def parse_time(text: str) -> datetime:
    """The time a .NET text names, in UTC; without an offset it is taken for UTC.

    Raises:
        ValueError: it is no such text, or no such time.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("not a time like 2024-01-02T03:04:05.1234567Z")
    year, month, day, hour, minute, second = (int(part) for part in found.group(1, 2, 3, 4, 5, 6))
    fraction = f"{found[7] or ''}0000000"
    moment = datetime(year, month, day, hour, minute, second, int(fraction[:6]), tzinfo=UTC)
    if found[8]:
        offset = timedelta(hours=int(found[9]), minutes=int(found[10]))
        try:
            moment = moment - offset if found[8] == "+" else moment + offset
        except OverflowError as error:
            raise ValueError("a time out of range") from error
    return TickTime.of(moment, int(fraction[6]))


def _utc(moment: datetime) -> datetime:
    offset = moment.utcoffset()
    if offset is None:
        raise EngineBug(f"A time without an offset reached the wire: {moment.isoformat()}.")
    return TickTime.of(moment.astimezone(UTC), tick_of(moment)) if offset else moment


def _seconds(moment: datetime) -> str:
    return (
        f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
        f"T{moment.hour:02}:{moment.minute:02}:{moment.second:02}"
    )


def _decimals(moment: datetime) -> str:
    return f"{moment.microsecond:06}{tick_of(moment)}"


def format_time(moment: datetime) -> str:
    """`moment` as Newtonsoft writes it: the fraction trimmed, "no time" without a ``Z``."""
    moment = _utc(moment)
    fraction = _decimals(moment).rstrip("0")
    if not fraction and moment == NO_TIME:
        return _seconds(moment)
    return f"{_seconds(moment)}.{fraction}Z" if fraction else f"{_seconds(moment)}Z"


def format_exact(moment: datetime) -> str:
    """`moment` in .NET's ``O`` format: always seven decimals."""
    moment = _utc(moment)
    return f"{_seconds(moment)}.{_decimals(moment)}Z"


def to_column(moment: datetime) -> datetime:
    """`moment` as a row may hold it: in UTC, and nothing before `TABLE_MIN`."""
    return max(_utc(moment), TABLE_MIN)


def from_column(moment: datetime) -> datetime:
    """The time a row holds; `TABLE_MIN` is "no time" again."""
    return moment if moment > TABLE_MIN else NO_TIME


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int) -> datetime:
    """The inverse of `to_milliseconds`.

    Raises:
        ValueError: out of range.
    """
    try:
        return _EPOCH + milliseconds * _MILLISECOND
    except OverflowError as error:
        raise ValueError("a time out of range") from error
