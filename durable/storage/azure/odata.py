"""Conditions as OData text. Every value goes through one escaper; nothing is pasted."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import assert_never
from uuid import UUID

from durable.model.times import tick_of
from durable.storage.rules import plain_value
from durable.storage.values import All, Condition, Int64, Some, Value, Where

_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}\Z")
# OData has no literal conditions in this service: every row has a PartitionKey, none is below ''.
_TRUE = "PartitionKey ge ''"
_FALSE = "PartitionKey lt ''"


def odata_filter(condition: Condition) -> str:
    """The text of ``$filter``.

    Raises:
        ValueError: a column that is no name, or a value out of range.
        TypeError: a value that no column can hold.
    """
    match condition:
        case Where(column, comparison, value):
            if not _COLUMN.match(column):
                raise ValueError(f"{column[:64]!r} is not the name of a column.")
            return f"{column} {comparison.value} {literal(plain_value(column, value))}"
        case All(conditions):
            return _joined(" and ", conditions, _TRUE)
        case Some(conditions):
            return _joined(" or ", conditions, _FALSE)
        case _:
            assert_never(condition)


def literal(value: Value) -> str:
    """A value as OData writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case Int64():
            return f"{value}L"
        case int() | float():
            return repr(value)
        case str():
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            return f"datetime'{time_text(value)}'"
        case bytes():
            return f"X'{value.hex()}'"
        case UUID():
            return f"guid'{value}'"
        case _:
            assert_never(value)


def time_text(moment: datetime) -> str:
    """A time as .NET writes it to a table: UTC, seven decimals, ``Z``."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='microseconds')}{tick_of(moment)}Z"


def _joined(word: str, conditions: tuple[Condition, ...], empty: str) -> str:
    if not conditions:
        return empty
    if len(conditions) == 1:
        return odata_filter(conditions[0])
    return word.join(f"({odata_filter(each)})" for each in conditions)
