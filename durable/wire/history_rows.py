"""A history event as a row of the History table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from durable.errors import CorruptRecord
from durable.model.events import GenericEvent, HistoryEvent, RewoundChild, SubOrchestrationCreated
from durable.model.status import RuntimeStatus
from durable.model.times import NO_TIME
from durable.wire.event_shapes import (
    BY_NAME,
    REWOUND,
    REWOUND_CHILD,
    child_mark,
    event_type_name,
    shape_of,
)
from durable.wire.fields import Column, ColumnFields
from durable.wire.nested import Nested, describe, to_object
from durable.wire.spill import blob_column
from durable.wire.text import to_json, well_formed
from durable.wire.times import to_column

EXECUTION_ID = "ExecutionId"
EVENT_TYPE = "EventType"
REASON = "Reason"
_NULL = "null"


class _ColumnWriter:
    """Collects columns: null texts are absent, null objects are the text ``null``."""

    def __init__(self) -> None:
        self.made: dict[str, Column] = {}

    def text(self, name: str, value: str | None) -> None:
        if value is not None:
            self.made[name] = well_formed(value)

    def integer(self, name: str, value: int | None) -> None:
        if value is not None:
            self.made[name] = value

    def flag(self, name: str, value: bool) -> None:
        self.made[name] = value

    def moment(self, name: str, value: datetime | None) -> None:
        if value is not None:
            self.made[name] = to_column(value)

    def status(self, name: str, value: RuntimeStatus) -> None:
        self.made[name] = value.value

    def nested(self, name: str, value: Nested | None) -> None:
        self.made[name] = _NULL if value is None else to_json(to_object(value, typed=False))

    def json(self, name: str, value: str | None) -> None:
        self.made[name] = well_formed(value or _NULL)

    def ours(self, name: str, value: str | datetime | tuple[str, ...] | None) -> None:
        """Absent when there is nothing to say, so that a row of .NET's comes out as it came in."""
        if isinstance(value, datetime):
            self.moment(name, value)
        elif isinstance(value, str):
            self.text(name, value)
        elif value:
            self.made[name] = to_json(value)


def encode_event(event: HistoryEvent, *, execution_id: str) -> dict[str, Column]:
    """The columns of an event's row, without the keys; `execution_id` is the writing execution."""
    shape = shape_of(event)
    out = _ColumnWriter()
    shape.write(event, out)
    out.integer("EventId", event.event_id)
    out.flag("IsPlayed", event.is_played)
    out.moment("_Timestamp", event.timestamp)
    out.text(EVENT_TYPE, shape.name)
    out.text(EXECUTION_ID, execution_id)
    return out.made


def decode_event(columns: Mapping[str, Column]) -> HistoryEvent:
    """The event of a row. Fetch what `spill.blobs_of` names first: a placeholder reads as "".

    Columns an event type doesn't have are ignored: .NET's rewind leaves some behind.

    Raises:
        CorruptRecord: unknown type, or a column that can't be understood.
    """
    name = columns.get(EVENT_TYPE)
    shape = BY_NAME.get(name) if isinstance(name, str) else None
    if shape is None:
        raise CorruptRecord(
            f"History row: {EVENT_TYPE} should name a history event, found {describe(name)}."
        )
    fields = ColumnFields(columns, f"History row {shape.name}")
    return shape.read(
        fields,
        {
            "timestamp": fields.moment("_Timestamp"),
            "event_id": fields.integer("EventId"),
            "is_played": fields.flag("IsPlayed"),
        },
    )


def execution_of(columns: Mapping[str, Column]) -> str | None:
    """The execution that wrote a history row, sentinels included.

    Raises:
        CorruptRecord: the column is no text.
    """
    return ColumnFields(columns, "History row").text(EXECUTION_ID)


def rewound_columns(event: HistoryEvent, blobs: Mapping[str, str]) -> dict[str, Column]:
    """What a rewind merges into the row of `event`: it stays, but records nothing any more.

    `blobs` are the row's: a reason that had gone to one is not read from there again.
    """
    columns = _reason(event, blobs)
    columns[EVENT_TYPE] = event_type_name(_NOTHING)
    return columns


def awaited_again_columns(
    event: SubOrchestrationCreated, blobs: Mapping[str, str], mark: RewoundChild | None
) -> dict[str, Column]:
    """What a rewind merges into the row of a child whose result is awaited once more."""
    columns = _reason(event, blobs)
    text = child_mark(mark)
    if text is not None:
        columns[REWOUND_CHILD] = text
    return columns


def _reason(event: HistoryEvent, blobs: Mapping[str, str]) -> dict[str, Column]:
    columns: dict[str, Column] = {REASON: f"{REWOUND}{event_type_name(event)}"}
    if REASON in blobs:
        columns[blob_column(REASON)] = ""
    return columns


_NOTHING = GenericEvent(timestamp=NO_TIME)
