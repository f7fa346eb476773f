"""What rows say of an execution's messages to entities: what it still owes, what comes after it.

Texts are read and written by whom `EntityWire` names: this layer doesn't know their format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeGuard

from durable.engine.critical_section import unreleased
from durable.engine.entity_sorter import DEFAULT_WINDOW, Labeller
from durable.errors import CorruptRecord
from durable.model import ids
from durable.model.entities import (
    Earlier,
    EntityMessage,
    OperationRequest,
    Outgoing,
    Response,
    SorterState,
)
from durable.model.events import EventRaised, EventSent, ExecutionStarted, HistoryEvent
from durable.model.times import ticks_of


class EntityTexts(Protocol):
    """The texts of messages to entities and from them; implemented by `durable.wire.entity_json`.

    Reading raises CorruptRecord; `where` names the event in it.
    """

    def event_of(self, outgoing: Outgoing) -> tuple[str, str | None]:
        """The name and the input of the event that carries a message."""
        ...

    def decode_message(self, name: str | None, text: str | None, where: str) -> EntityMessage:
        """What an event tells an entity."""
        ...

    def decode_response(self, name: str | None, text: str | None, where: str) -> Response:
        """The answer in an event that is named by the request's id."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityWire:
    """How entities are reached: the texts, and how long the order of requests is kept."""

    texts: EntityTexts
    window: timedelta = DEFAULT_WINDOW


def releases_owed(
    rows: Iterable[HistoryEvent], holder: str, wire: EntityWire, first_number: int, now: datetime
) -> list[EventSent]:
    """The rows that release what an execution asked to lock and has not released (W19)."""
    rows = list(rows)
    answered = {event.name or "" for event in rows if isinstance(event, EventRaised)}
    sent = [(event.instance_id or "", message) for event, message in _sent(rows, wire)]
    made: list[EventSent] = []
    for number, outgoing in enumerate(unreleased(sent, holder, answered), first_number):
        name, text = wire.texts.event_of(outgoing)
        made.append(
            EventSent(
                timestamp=now,
                event_id=number,
                instance_id=outgoing.target,
                name=name,
                input=text,
            )
        )
    return made


def handed_over(
    rows: Iterable[HistoryEvent], started: ExecutionStarted, wire: EntityWire, now: datetime
) -> dict[str, Earlier]:
    """What the next execution must know of what this one and those before it sent."""
    last: dict[str, datetime] = {}
    for event, message in _sent(rows, wire):
        if isinstance(message, OperationRequest):
            note_label(last, event.instance_id or "", message)
    labeller = Labeller(
        SorterState(last_sent=last), window=wire.window, earlier=started.sent_before
    )
    return labeller.handed_over(started.instance.execution_id or "", now)


def is_sent_to_entity(event: HistoryEvent) -> TypeGuard[EventSent]:
    """Whether the row records a message to an entity."""
    return isinstance(event, EventSent) and ids.is_entity_id(event.instance_id or "")


def _sent(
    rows: Iterable[HistoryEvent], wire: EntityWire
) -> Iterator[tuple[EventSent, EntityMessage]]:
    for event in rows:
        if is_sent_to_entity(event):
            # What can't be understood is no request of ours; an end must not fail on it.
            with suppress(CorruptRecord):
                yield event, read_message(event, wire.texts)


def read_message(event: EventSent, texts: EntityTexts) -> EntityMessage:
    """What a row tells an entity.

    Raises:
        CorruptRecord: it can't be understood.
    """
    where = f"What was sent to {event.instance_id!r} as number {event.event_id}"
    return texts.decode_message(event.name, event.input, where)


def note_label(last: dict[str, datetime], target: str, request: OperationRequest) -> None:
    """Keep the last label in `last`, by target."""
    # Scheduled signals have no label.
    if request.due is None:
        last[target] = max(request.timestamp, last.get(target, request.timestamp), key=ticks_of)
