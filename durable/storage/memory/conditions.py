"""Whether a row meets a condition, by the table service's rules."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import assert_never
from uuid import UUID

from durable.model.times import tick_of
from durable.storage.rules import ordinal, plain_value
from durable.storage.values import All, Comparison, Condition, Some, Value, Where

Sortable = tuple[str, bytes | float | tuple[datetime, int]]

_OPERATORS: Mapping[Comparison, Callable[[Sortable, Sortable], bool]] = {
    Comparison.EQ: operator.eq,
    Comparison.NE: operator.ne,
    Comparison.GE: operator.ge,
    Comparison.GT: operator.gt,
    Comparison.LE: operator.le,
    Comparison.LT: operator.lt,
}


def check_condition(condition: Condition | None) -> None:
    """Return when every value in it can be compared with.

    Raises:
        TypeError, ValueError: see `rules.plain_value`.
    """
    match condition:
        case None:
            pass
        case Where(column, _, value):
            plain_value(column, value)
        case All(conditions) | Some(conditions):
            for each in conditions:
                check_condition(each)
        case _:
            assert_never(condition)


def matches(condition: Condition | None, columns: Mapping[str, Value]) -> bool:
    """Whether a row with these columns (its keys and timestamp among them) meets `condition`."""
    match condition:
        case None:
            return True
        case Where():
            return _compare(condition, columns)
        case All(conditions):
            return all(matches(each, columns) for each in conditions)
        case Some(conditions):
            return any(matches(each, columns) for each in conditions)
        case _:
            assert_never(condition)


def pinned(condition: Condition | None, column: str) -> str | None:
    """The one text that `column` must have to meet `condition`, when there is one."""
    match condition:
        case Where(name, Comparison.EQ, str(value)) if name == column:
            return value
        case All(conditions):
            found = (pinned(each, column) for each in conditions)
            return next((value for value in found if value is not None), None)
        case _:
            return None


def _compare(where: Where, columns: Mapping[str, Value]) -> bool:
    found = columns.get(where.column)
    if found is None:
        return False
    left, right = _sortable(found), _sortable(where.value)
    # Values of two kinds are neither equal nor in order; nor does NE hold between them.
    return left[0] == right[0] and _OPERATORS[where.comparison](left, right)


def _sortable(value: Value) -> Sortable:
    match value:
        case bool():
            return "bool", float(value)
        case int() | float():
            return "number", value
        case str():
            return "text", ordinal(value)
        case datetime():
            return "time", (value, tick_of(value))
        case bytes():
            return "bytes", value
        case UUID():
            return "guid", value.bytes
        case _:
            assert_never(value)
