"""Rows to the table SDK's entities and back, each column with its own EDM type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from azure.data.tables import EdmType, EntityProperty, TableEntity

from durable.errors import CorruptRecord
from durable.model.times import TickTime
from durable.storage.azure.odata import time_text
from durable.storage.values import Int64, Row, Value

_DECIMALS = 7


def to_entity(row: Row, columns: Mapping[str, Value]) -> dict[str, Any]:
    """What the SDK sends for `row`; `columns` are its checked ones."""
    entity: dict[str, Any] = {"PartitionKey": row.partition_key, "RowKey": row.row_key}
    for name, value in columns.items():
        entity[name] = _property(value)
    return entity


def to_row(entity: TableEntity) -> Row:
    """The row that the SDK read."""
    partition_key, row_key = str(entity["PartitionKey"]), str(entity["RowKey"])
    where = f"({partition_key!r}, {row_key!r})"
    columns: dict[str, Value] = {}
    for name, found in entity.items():
        if name not in {"PartitionKey", "RowKey"} and found is not None:
            columns[name] = _value(found, name, where)
    timestamp = entity.metadata.get("timestamp")
    return Row(
        partition_key=partition_key,
        row_key=row_key,
        columns=columns,
        etag=entity.metadata.get("etag"),
        timestamp=None if timestamp is None else to_time(timestamp),
    )


def to_time(found: datetime) -> datetime:
    """A time as the SDK read it, with the seventh decimal that only its text still has."""
    plain = datetime(
        found.year, found.month, found.day, found.hour, found.minute, found.second,
        found.microsecond, UTC,
    )  # fmt: skip
    text = str(getattr(found, "tables_service_value", ""))
    decimals = text.partition(".")[2].rstrip("Z")
    return TickTime.of(plain, int(decimals[6]) if len(decimals) >= _DECIMALS else 0)


def _property(value: Value) -> Any:
    match value:
        case Int64():
            return EntityProperty(int(value), EdmType.INT64)
        case datetime():
            return EntityProperty(time_text(value), EdmType.DATETIME)
        case _:
            return value  # str, bool, int (Int32), float, bytes, UUID: the SDK's own choice is ours


def _value(found: object, name: str, where: str) -> Value:
    match found:
        case EntityProperty(int(number), EdmType.INT64):
            return Int64(number)
        case datetime():
            return to_time(found)
        case str() | bool() | int() | float() | bytes() | UUID():
            return found
        case _:
            raise CorruptRecord(
                f"Column {name!r} of row {where} has a type that is not known: "
                f"{type(found).__name__}.",
                resource=where,
            )
