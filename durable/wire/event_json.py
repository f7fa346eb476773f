"""A history event as the JSON object inside a queue message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from durable.errors import CorruptRecord
from durable.model.events import HistoryEvent
from durable.model.status import RuntimeStatus
from durable.wire.event_shapes import BY_TYPE, shape_of
from durable.wire.fields import Fields
from durable.wire.nested import Nested, describe, status_number, to_object
from durable.wire.text import from_json
from durable.wire.times import format_time


class _JsonWriter:
    """Collects an event's properties: nulls are written, statuses are numbers."""

    def __init__(self) -> None:
        self.made: dict[str, object] = {}

    def text(self, name: str, value: str | None) -> None:
        self.made[name] = value

    def integer(self, name: str, value: int | None) -> None:
        self.made[name] = value

    def flag(self, name: str, value: bool) -> None:
        self.made[name] = value

    def moment(self, name: str, value: datetime | None) -> None:
        self.made[name] = None if value is None else format_time(value)

    def status(self, name: str, value: RuntimeStatus) -> None:
        self.made[name] = status_number(value)

    def nested(self, name: str, value: Nested | None) -> None:
        self.made[name] = None if value is None else to_object(value, typed=True)

    def json(self, name: str, value: str | None) -> None:
        self.made[name] = None if value is None else from_json(value, name)

    def ours(self, name: str, value: str | datetime | tuple[str, ...] | None) -> None:
        """Messages carry our additions beside the event, not in it."""


def encode_event_json(event: HistoryEvent) -> dict[str, object]:
    """`event` as a JSON object, its members in .NET's order."""
    shape = shape_of(event)
    out = _JsonWriter()
    shape.write(event, out)
    made: dict[str, object] = {"$type": shape.type_name}
    if shape.leading is not None:
        made[shape.leading] = out.made.pop(shape.leading)
    made["EventType"] = shape.number
    made |= out.made
    made["EventId"] = event.event_id
    made["IsPlayed"] = event.is_played
    made["Timestamp"] = format_time(event.timestamp)
    return made


def decode_event_json(values: Mapping[str, object], where: str, received: datetime) -> HistoryEvent:
    """The event of a JSON object. ``$type`` alone decides its class, as in .NET.

    A missing Timestamp becomes `received`, the time of reception; also as in .NET.

    Raises:
        CorruptRecord: unknown type, or a property that can't be understood.
    """
    name = values.get("$type")
    shape = BY_TYPE.get(name.split(",")[0].rstrip()) if isinstance(name, str) else None
    if shape is None:
        raise CorruptRecord(f"{where}.$type should name a history event, found {describe(name)}.")
    fields = Fields(values, where)
    return shape.read(
        fields,
        {
            "timestamp": fields.optional_moment("Timestamp") or received,
            "event_id": fields.integer("EventId"),
            "is_played": fields.flag("IsPlayed"),
        },
    )
