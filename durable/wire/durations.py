"""timedelta as an ISO 8601 duration, such as ``P1DT2H30M5.25S``."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(
    r"(-?)P(?=\d|T\d)(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6})\d*)?S)?)?",
    re.ASCII,
)


def duration_text(value: timedelta) -> str:
    """`value` in days, hours, minutes and seconds."""
    sign = "-" if value < timedelta(0) else ""
    value = abs(value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    day = f"{value.days}D" if value.days else ""
    return f"{sign}P{day}T{hours}H{minutes}M{seconds}{fraction}S"


def parse_duration(text: str) -> timedelta:
    """The duration that `text` says.

    Raises:
        ValueError: it says none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("not an ISO 8601 duration like P1DT2H30M5S")
    sign, days, hours, minutes, seconds, fraction = found.groups("0")
    try:
        value = timedelta(
            days=int(days),
            hours=int(hours),
            minutes=int(minutes),
            seconds=int(seconds),
            microseconds=int(fraction.ljust(6, "0")),
        )
    except OverflowError as error:
        raise ValueError("a duration out of range") from error
    return -value if sign == "-" else value
