"""What one execution sends to entities: under which ids and labels, and what it still owes.

A request gets its id and its labels when it is recorded, and what a row records counts ever after,
whoever wrote it. So a replay needs nothing but rows, and what a rewind made the code ask for anew
is another request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from durable.engine.agenda import Agenda
from durable.engine.critical_section import CriticalSection, unreleased
from durable.engine.entity_sorter import DEFAULT_WINDOW, Labeller
from durable.errors import CorruptRecord
from durable.model import ids
from durable.model.actions import AnyAction, Recordable, SendEvent, TellEntity
from durable.model.entities import (
    MAX_DELAY,
    Earlier,
    EntityMessage,
    OperationRequest,
    Outgoing,
    Release,
    Response,
    SorterState,
)
from durable.model.events import EventSent, ExecutionStarted, HistoryEvent
from durable.model.ids import EntityId
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


class EntityTraffic:
    """The requests of one execution, as its live orchestrator knows them.

    Attributes:
        section: the critical section it is in, or none.
    """

    def __init__(self, agenda: Agenda, started: ExecutionStarted, wire: EntityWire) -> None:
        self.agenda = agenda
        self._wire = wire
        self._instance_id = started.instance.instance_id
        self._execution_id = started.instance.execution_id or ""
        self._earlier = started.sent_before
        self.section = CriticalSection(self._instance_id, self._execution_id)
        self._last_sent: dict[str, datetime] = {}
        self._rewound: dict[int, int] = {}
        self._on_sent: dict[int, Callable[[str], None]] = {}

    # What the code asks for.

    def check_call(self, entity: EntityId) -> None:
        """Whether `entity` may be called now.

        Raises:
            LockingRulesViolation: the critical section forbids it.
        """
        self.section.call(entity)
        self.section.answered(entity)  # only the call itself counts, once it is issued

    def check_lock(self, entities: Iterable[EntityId]) -> None:
        """Whether entities may be locked now.

        Raises:
            LockingRulesViolation: there is a critical section already.
        """
        if self.section.lock_id is not None:
            self.section.ask(entities, "")  # refused

    def request(
        self,
        entity: EntityId,
        op: str,
        input_: str | None,
        on_sent: Callable[[str], None],
        location: str | None,
    ) -> int | None:
        """Call an operation; returns the request's number, None when the execution is over.

        `on_sent` is told the request's id once it is recorded.

        Raises:
            LockingRulesViolation: the critical section forbids it.
        """
        self.section.call(entity)
        return self._send(str(entity), self._operation(op, input_), location, on_sent)

    def signal(
        self, entity: EntityId, op: str, input_: str | None, due: datetime | None = None
    ) -> None:
        """Signal an entity, at `due` if that is given.

        Raises:
            LockingRulesViolation: the critical section forbids it.
            TooManyActions: the execution has asked for as much as it may.
        """
        self.section.signal(entity)
        message = replace(self._operation(op, input_), is_signal=True, due=due)
        # What is due later than one message can wait is sent on by the entity.
        at = None if due is None else min(due, self.agenda.now + MAX_DELAY)
        self.agenda.act(partial(TellEntity, target=str(entity), message=message, deliver_at=at))

    def lock(
        self, entities: Iterable[EntityId], on_sent: Callable[[str], None], location: str | None
    ) -> int | None:
        """Ask for all the locks, as `request`.

        Raises:
            LockingRulesViolation: there is a critical section already, or nothing to lock.
        """
        lock_id = ids.request_id(self._execution_id, self.agenda.next_id)
        asked = self.section.ask(entities, lock_id)
        number = self._send(asked.target, asked.message, location, on_sent)
        if number is None:
            self.section.leave()
        return number

    def enter_as(self, lock_id: str, recorded_id: str) -> None:
        """The request for the locks of section `lock_id` was recorded under its final id."""
        entities = self.section.entities
        if self.section.lock_id == lock_id:
            self.section.leave()
            self.section.ask(entities, recorded_id)

    def leave(self, lock_id: str | None, location: str | None) -> None:
        """Release what section `lock_id` locked, if the execution is in it.

        Code that is being dropped does not leave: it stands where it stood when it runs again.
        """
        if not self.agenda.is_deaf and self.section.lock_id == lock_id:
            self._release(location)

    def end(self) -> None:
        """The code has ended, one way or another: nothing stays locked."""
        self._release(None)

    def _release(self, location: str | None) -> None:
        for outgoing in self.section.leave():
            # Said already: neither continue_as_new nor a limit may keep a lock for ever.
            self._send(outgoing.target, outgoing.message, location, always=True)

    def _operation(self, op: str, input_: str | None) -> OperationRequest:
        return OperationRequest(
            op=op,
            id="",
            input=input_,
            parent=self._instance_id,
            parent_execution=self._execution_id,
        )

    def _send(
        self,
        target: str,
        message: OperationRequest | Release,
        location: str | None,
        on_sent: Callable[[str], None] | None = None,
        *,
        always: bool = False,
    ) -> int | None:
        make_action = partial(TellEntity, target=target, message=message)
        number = self.agenda.take(make_action, location, always=always)
        if number is not None and on_sent is not None:
            self._on_sent[number] = on_sent
        return number

    # What rows say, and are to say.

    def recordable(self, actions: Iterable[AnyAction]) -> tuple[Recordable, ...]:
        """`actions` as they are to be recorded now: ids and labels given, texts written."""
        scribe: _Scribe | None = None
        made: list[Recordable] = []
        for action in actions:
            if isinstance(action, TellEntity):
                scribe = scribe or self._scribe()
                action = scribe.event(action)
            made.append(action)
        return tuple(made)

    def _scribe(self) -> _Scribe:
        labeller = Labeller(
            SorterState(last_sent=self._last_sent),
            window=self._wire.window,
            earlier=self._earlier,
        )
        return _Scribe(
            labeller, self._wire.texts, self._execution_id, self._rewound, self.agenda.now
        )

    def taken_back(self, number: int, row: int) -> None:
        """A rewind took back the decision of that number; the code may decide it anew."""
        self._rewound[number] = row

    def read(self, event: EventSent) -> EntityMessage:
        """What a row tells an entity.

        Raises:
            CorruptRecord: it can't be understood.
        """
        return _read(event, self._wire.texts)

    def recorded(self, event: EventSent, message: EntityMessage) -> None:
        """A row records what the code asked for."""
        on_sent = self._on_sent.pop(event.event_id, None)
        if isinstance(message, OperationRequest):
            _note_label(self._last_sent, event.instance_id or "", message)
            if on_sent is not None:
                on_sent(message.id)

    def answer(self, name: str, text: str | None) -> Response:
        """The answer in an event.

        Raises:
            CorruptRecord: it can't be understood.
        """
        where = f"The answer {name} for instance {self._instance_id!r}"
        return self._wire.texts.decode_response(name, text, where)


class _Scribe:
    """Writes what is recorded at one moment."""

    def __init__(
        self,
        labeller: Labeller,
        texts: EntityTexts,
        execution_id: str,
        rewound: dict[int, int],
        now: datetime,
    ) -> None:
        self._labeller = labeller
        self._texts = texts
        self._execution_id = execution_id
        self._rewound = rewound
        self._now = now
        self._renamed: dict[str, str] = {}

    def event(self, action: TellEntity) -> SendEvent:
        message = self._addressed(action)
        name, text = self._texts.event_of(
            Outgoing(target=action.target, message=message, deliver_at=action.deliver_at)
        )
        return SendEvent(
            task_id=action.task_id,
            location=action.location,
            instance_id=action.target,
            name=name,
            input=text,
            deliver_at=action.deliver_at,
        )

    def _addressed(self, action: TellEntity) -> OperationRequest | Release:
        message = action.message
        if isinstance(message, Release):
            # Of a lock that was asked for in the same turn.
            return replace(message, id=self._renamed.get(message.id, message.id))
        number = action.task_id
        final = ids.request_id(self._execution_id, number, rewound=self._rewound.get(number, 0))
        self._renamed[message.id] = final
        message = replace(message, id=final)
        # What is scheduled has no place in the order.
        return (
            message
            if message.due is not None
            else self._labeller.label(message, action.target, self._now)
        )


def releases_owed(
    rows: Iterable[HistoryEvent], holder: str, wire: EntityWire, first_number: int, now: datetime
) -> list[EventSent]:
    """The rows that release what an execution asked to lock and has not released (W19)."""
    sent = [(event.instance_id or "", message) for event, message in _sent(rows, wire)]
    made: list[EventSent] = []
    for number, outgoing in enumerate(unreleased(sent, holder), first_number):
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
            _note_label(last, event.instance_id or "", message)
    labeller = Labeller(
        SorterState(last_sent=last), window=wire.window, earlier=started.sent_before
    )
    return labeller.handed_over(started.instance.execution_id or "", now)


def _sent(
    rows: Iterable[HistoryEvent], wire: EntityWire
) -> Iterator[tuple[EventSent, EntityMessage]]:
    for event in rows:
        if isinstance(event, EventSent) and ids.is_entity_id(event.instance_id or ""):
            # What can't be understood is no request of ours; an end must not fail on it.
            with suppress(CorruptRecord):
                yield event, _read(event, wire.texts)


def _read(event: EventSent, texts: EntityTexts) -> EntityMessage:
    where = f"What was sent to {event.instance_id!r} as number {event.event_id}"
    return texts.decode_message(event.name, event.input, where)


def _note_label(last: dict[str, datetime], target: str, request: OperationRequest) -> None:
    # Scheduled signals have no label.
    if request.due is None:
        last[target] = max(request.timestamp, last.get(target, request.timestamp), key=ticks_of)
