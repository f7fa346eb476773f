"""What crosses the ports: queue messages, table rows, conditions, blobs. Frozen values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


class Int64(int):
    """An Edm.Int64. A plain int is an Edm.Int32, and out of its range an error."""


#: What a column may hold. A datetime must be UTC-aware; a read one may be a `TickTime`.
Value = str | bool | int | Int64 | float | datetime | bytes | UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueMessage:
    """A message as received: hidden from others until `next_visible`.

    `pop_receipt` proves this reception; it is stale once the message is received again or updated.
    """

    id: str
    pop_receipt: str
    text: str
    dequeue_count: int
    inserted: datetime
    next_visible: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PutReceipt:
    """What a put answers: with these two the putter may update or delete the message."""

    id: str
    pop_receipt: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A table row. Columns that are absent in storage are absent in `columns`."""

    partition_key: str
    row_key: str
    columns: Mapping[str, Value] = field(default_factory=dict)
    etag: str | None = None
    timestamp: datetime | None = None


class Comparison(enum.StrEnum):
    """OData's comparison operators."""

    EQ = "eq"
    NE = "ne"
    GE = "ge"
    GT = "gt"
    LE = "le"
    LT = "lt"


@dataclass(frozen=True, slots=True)
class Where:
    """`column` compared with `value`; a row without the column never matches.

    The columns ``PartitionKey``, ``RowKey`` and ``Timestamp`` name the row's own.
    """

    column: str
    comparison: Comparison
    value: Value


@dataclass(frozen=True, slots=True)
class All:
    """Every condition holds; true when there is none."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one condition holds."""

    conditions: tuple[Condition, ...]


Condition = Where | All | Some


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of a query, in key order.

    `continuation` asks for the next one (an opaque text; None: there is none). `served_at` is
    the service's clock when it answered (1 s resolution).
    """

    rows: tuple[Row, ...]
    continuation: str | None
    served_at: datetime


class Write(enum.Enum):
    """How a row is written, and what it expects to find."""

    INSERT = "insert"  # Conflict when the row exists
    MERGE = "merge"  # NotFound without the row; etag "*" or exact
    REPLACE = "replace"  # NotFound without the row; etag "*" or exact
    UPSERT_MERGE = "upsert-merge"  # whatever is there; no etag
    UPSERT_REPLACE = "upsert-replace"  # whatever is there; no etag
    DELETE = "delete"  # NotFound without the row; etag "*" or exact


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One write. `row.etag` is the condition for MERGE, REPLACE and DELETE (None means "*")."""

    write: Write
    row: Row


@dataclass(frozen=True, kw_only=True, slots=True)
class BlobInfo:
    """A blob as listed."""

    name: str
    size: int
    last_modified: datetime
