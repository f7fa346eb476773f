"""Rows as the table service's JSON, written and read."""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import assert_never
from uuid import UUID

from durable.errors import CorruptRecord
from durable.model.times import TickTime
from durable.storage.azure.odata import time_text
from durable.storage.values import Int64, Row, Value

# Strings, small ints and bools need no type. ASCII, so that no line of a batch can be mistaken.
_encode = json.JSONEncoder(separators=(",", ":")).encode
_TYPE = "@odata.type"
_INT32 = range(-(2**31), 2**31)
_TICK = 26  # where the seventh decimal stands: 2024-05-06T07:08:09.1234567Z


def row_json(row: Row, columns: Mapping[str, Value]) -> bytes:
    """The body that writes `row`; `columns` are its checked ones."""
    plain: dict[str, object] = {"PartitionKey": row.partition_key, "RowKey": row.row_key}
    for name, value in columns.items():
        if isinstance(value, str | bool):
            plain[name] = value
            continue
        plain[name], kind = _typed(value)
        if kind is not None:
            plain[name + _TYPE] = kind
    return _encode(plain).encode()


def row_of(found: dict[str, object]) -> Row:
    """The row that was read, with minimal metadata; it takes `found` apart.

    Raises:
        CorruptRecord: it has no key, or a column that cannot be understood.
    """
    partition_key, row_key = found.pop("PartitionKey", None), found.pop("RowKey", None)
    if not (isinstance(partition_key, str) and isinstance(row_key, str)):
        raise CorruptRecord("A table answered with a row that has no key.")
    timestamp, etag = found.pop("Timestamp", None), found.get("odata.etag")
    columns: dict[str, Value] = {}
    for name, value in found.items():
        if value is None or ("odata." in name and _is_metadata(name)):
            continue
        kind = found.get(name + _TYPE)
        # Most columns are plain strings.
        if kind is None and isinstance(value, str):
            columns[name] = value
        else:
            columns[name] = _column(name, kind, value, partition_key, row_key)
    return Row(
        partition_key=partition_key,
        row_key=row_key,
        columns=columns,
        etag=etag if isinstance(etag, str) else None,
        timestamp=None if timestamp is None else _time("Timestamp", timestamp),
    )


def time_of(text: str) -> datetime:
    """A time as the service writes it, with its seventh decimal.

    Raises:
        ValueError: it is none, or not UTC.
    """
    if not text.endswith("Z"):
        raise ValueError("It does not end with Z: not a time in UTC.")
    moment = datetime.fromisoformat(text)  # a Z is UTC; more decimals than six are cut off
    tick = text[_TICK:-1]
    return TickTime.of(moment, int(tick[0])) if tick and tick[0] != "0" else moment


def _is_metadata(name: str) -> bool:
    return name.startswith("odata.") or name.endswith(_TYPE)


def _typed(value: Value) -> tuple[object, str | None]:
    match value:
        case Int64():
            return str(int(value)), "Edm.Int64"
        case int() | str():  # a bool is an int
            return value, None
        case float():
            return _double(value), "Edm.Double"
        case datetime():
            return time_text(value), "Edm.DateTime"
        case bytes():
            return b64encode(value).decode(), "Edm.Binary"
        case UUID():
            return str(value), "Edm.Guid"
        case _:
            assert_never(value)


def _double(value: float) -> object:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _untyped(found: object) -> Value:
    match found:
        case bool() | str() | float():
            return found
        case int():
            return found if found in _INT32 else Int64(found)
        case _:
            raise TypeError(type(found).__name__)


_READERS: Mapping[object, Callable[[object], Value]] = {
    None: _untyped,
    "Edm.String": _untyped,
    "Edm.Boolean": _untyped,
    "Edm.Int32": _untyped,
    "Edm.Int64": lambda found: Int64(str(found)),
    "Edm.Double": lambda found: float(str(found)),
    "Edm.DateTime": lambda found: time_of(str(found)),
    "Edm.Binary": lambda found: b64decode(str(found), validate=True),
    "Edm.Guid": lambda found: UUID(str(found)),
}


def _column(name: str, kind: object, found: object, partition_key: str, row_key: str) -> Value:
    try:
        return _READERS[kind](found)
    except (KeyError, TypeError, ValueError):
        where = f"({partition_key!r}, {row_key!r})"
        raise CorruptRecord(
            f"Column {name!r} of row {where} cannot be read as {kind or type(found).__name__}.",
            resource=where,
        ) from None  # whose text would quote the value


def _time(name: str, found: object) -> datetime:
    try:
        return time_of(str(found))
    except ValueError as error:
        raise CorruptRecord(f"A table answered with a {name} that is no time.") from error
