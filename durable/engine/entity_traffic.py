"""What one execution sends to entities: under which ids and labels, and what it still owes.

A request gets its id and its labels when it is recorded, and what a row records counts ever after,
whoever wrote it. So a replay needs nothing but rows, and what a rewind made the code ask for anew
is another request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import cast

from durable.engine.agenda import Agenda
from durable.engine.critical_section import CriticalSection
from durable.engine.entity_rows import EntityTexts, EntityWire, note_label, read_message
from durable.engine.entity_sorter import Labeller
from durable.errors import LockingRulesViolation
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
from durable.model.events import EventSent, ExecutionStarted
from durable.model.ids import EntityId


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
        self._renamed: dict[str, str] = {}
        self._lost_lock: str | None = None
        self._on_sent: dict[int, Callable[[str], None]] = {}

    # What the code asks for.

    def check_call(self, entity: EntityId) -> None:
        """Whether `entity` may be called now.

        Raises:
            LockingRulesViolation: the critical section forbids it.
        """
        self._call(entity)
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
        self._call(entity)
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
        request = cast("OperationRequest", asked.message)
        number = self._send(asked.target, request, location, on_sent)
        if number is None:
            self.section.leave()
        return number

    def enter_as(self, lock_id: str | None, recorded_id: str) -> None:
        """The request for the locks of section `lock_id` was recorded under its final id."""
        if self.section.lock_id == lock_id:
            entities = self.section.entities
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

    def _call(self, entity: EntityId) -> None:
        self.section.call(entity)
        if self._lost_lock is not None and self.section.lock_id == self._lost_lock:
            raise LockingRulesViolation(
                f"{entity} must not be called: this critical section's locks were released when "
                "the orchestrator failed inside it, and a rewind doesn't take them again. Start "
                "it anew, or do what may fail before the entities are locked.",
                rule="locks-lost",
            )

    def _release(self, location: str | None) -> None:
        for outgoing in self.section.leave():
            # Said already: neither continue_as_new nor a limit may keep a lock for ever.
            release = cast("Release", outgoing.message)
            self._send(outgoing.target, release, location, always=True)

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
                made.append(scribe.event(action))
            else:
                made.append(action)
        return tuple(made)

    def _scribe(self) -> _Scribe:
        labeller = Labeller(
            SorterState(last_sent=self._last_sent),
            window=self._wire.window,
            earlier=self._earlier,
        )
        return _Scribe(
            labeller,
            self._wire.texts,
            self._execution_id,
            self._rewound,
            dict(self._renamed),
            self.agenda.now,
        )

    def taken_back(self, number: int, row: int) -> None:
        """A rewind took back the decision of that number; the code may decide it anew."""
        self._rewound[number] = row
        if self.section.is_held and number >= self.agenda.next_id:
            # It ended in failure inside the section, so its locks were released, by decisions that
            # the code has not come to this time: others have been there since. What the code has
            # asked for again by now was merely open, in a section that it may have left since.
            self._lost_lock = self.section.lock_id

    def read(self, event: EventSent) -> EntityMessage:
        """What a row tells an entity.

        Raises:
            CorruptRecord: it can't be understood.
        """
        return read_message(event, self._wire.texts)

    def recorded(self, event: EventSent, message: EntityMessage) -> None:
        """A row records what the code asked for."""
        on_sent = self._on_sent.pop(event.event_id, None)
        if isinstance(message, OperationRequest):
            note_label(self._last_sent, event.instance_id or "", message)
            if message.is_lock:
                self._renamed[ids.request_id(self._execution_id, event.event_id)] = message.id
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
        renamed: dict[str, str],
        now: datetime,
    ) -> None:
        self._labeller = labeller
        self._texts = texts
        self._execution_id = execution_id
        self._rewound = rewound
        self._renamed = renamed
        self._now = now

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
            # The code may have given up the locks before it knew what the request is called.
            return replace(
                message,
                id=self._renamed.get(message.id, message.id),
                after=self._labelled(message.after, action.target),
            )
        number = action.task_id
        final = ids.request_id(self._execution_id, number, rewound=self._rewound.get(number, 0))
        if message.is_lock:
            self._renamed[message.id] = final
        message = replace(message, id=final)
        # What is scheduled has no place in the order.
        return (
            message
            if message.due is not None
            else self._labeller.label(message, action.target, self._now)
        )

    def _labelled(self, after: Earlier | None, target: str) -> Earlier | None:
        """`after` with the label that the last request to `target` has."""
        label = self._labeller.last_to(target)
        return None if after is None or label is None else replace(after, timestamp=label)
