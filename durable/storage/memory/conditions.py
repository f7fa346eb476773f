"""Whether a row meets a condition, by the table service's rules."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
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
_FROM = frozenset({Comparison.EQ, Comparison.GE, Comparison.GT})
_TO = frozenset({Comparison.EQ, Comparison.LE, Comparison.LT})
#: Comparisons that a span says all of.
_EXACT = frozenset({Comparison.EQ, Comparison.GE, Comparison.LE})


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


@dataclass(frozen=True, slots=True)
class Span:
    """The texts from `least` to `greatest`; None: there is no greatest one."""

    least: str = ""
    greatest: str | None = None

    def with_least(self, text: str) -> Span:
        """What is left of it from `text` on."""
        return replace(self, least=max(self.least, text, key=ordinal))

    def with_greatest(self, text: str) -> Span:
        """What is left of it up to `text`."""
        if self.greatest is not None:
            text = min(self.greatest, text, key=ordinal)
        return replace(self, greatest=text)


def span_of(condition: Condition | None, column: str) -> Span:
    """The texts that `column` may have in rows that meet `condition`: where to look for them."""
    span = Span()
    for where in _wheres(condition):
        if where.column != column or not isinstance(where.value, str):
            continue
        if where.comparison in _FROM:
            span = span.with_least(where.value)
        if where.comparison in _TO:
            span = span.with_greatest(where.value)
    return span


def beside(condition: Condition | None, columns: Collection[str]) -> Condition | None:
    """What is left to ask of a row whose `columns` are in their spans."""
    if not isinstance(condition, All | Where):
        return condition
    parts = condition.conditions if isinstance(condition, All) else (condition,)
    left = tuple(each for each in parts if not _is_spanned(each, columns))
    return All(left) if left else None


def _is_spanned(condition: Condition, columns: Collection[str]) -> bool:
    return (
        isinstance(condition, Where)
        and condition.column in columns
        and isinstance(condition.value, str)
        and condition.comparison in _EXACT
    )


def _wheres(condition: Condition | None) -> Iterator[Where]:
    """The comparisons that every row meets which meets `condition`."""
    match condition:
        case Where():
            yield condition
        case All(conditions):
            for each in conditions:
                yield from _wheres(each)
        case _:
            return


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
