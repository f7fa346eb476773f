"""Critical sections, the orchestrator's side: locks to ask for, what is allowed, what to release.

The entities of a section are locked one after another in one global order, so no two
orchestrations can each hold what the other waits for. The first entity gets the request and, once
locked, sends it on to the second; the last one answers.

The rules are the original's (DurableTask.Core OrchestrationEntityContext); what breaks one raises
`LockingRulesViolation` at the call, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TypeGuard

from durable.errors import LockingRulesViolation
from durable.model.entities import (
    Earlier,
    EntityMessage,
    OperationRequest,
    Outgoing,
    Release,
)
from durable.model.ids import EntityId
from durable.model.times import NO_TIME


def lock_order(entities: Iterable[EntityId]) -> tuple[EntityId, ...]:
    """`entities`, each once, in the order in which everybody locks them.

    Raises:
        LockingRulesViolation: there are none.
    """
    ordered = tuple(sorted(set(entities), key=_ordinal))
    if not ordered:
        raise LockingRulesViolation(
            "lock_entities needs at least one entity to lock; it was given none.",
            rule="nothing-to-lock",
        )
    return ordered


def _ordinal(entity: EntityId) -> tuple[bytes, bytes]:
    # .NET's ordinal order is that of UTF-16 code units; two orders in one hub would deadlock.
    return (
        entity.name.encode("utf-16-be", "surrogatepass"),
        entity.key.encode("utf-16-be", "surrogatepass"),
    )


def unreleased(
    sent: Iterable[tuple[str, EntityMessage]], holder: str, answered: Container[str] = ()
) -> list[Outgoing]:
    """The releases that an ended execution still owes, from all it sent to entities, in order.

    Every lock it asked for counts, granted or not: whoever was not reached yet withdraws it. Each
    message comes with the instance it was sent to; `holder` is the execution's instance, and
    `answered` holds the ids of requests that have come back.
    """
    asked: dict[tuple[str, str], None] = {}
    called: dict[str, Earlier] = {}
    for target, message in sent:
        if isinstance(message, Release):
            asked.pop((target, message.id), None)
        elif isinstance(message, OperationRequest) and message.is_lock:
            asked |= {(str(entity), message.id): None for entity in message.lock_set}
            called = {}  # what was before the section needs no lock
        elif _may_be_late(message) and message.id not in answered:
            called[target] = Earlier(
                execution_id=message.parent_execution or "", timestamp=message.timestamp
            )
    return [_release(target, holder, lock_id, called.get(target)) for target, lock_id in asked]


def _may_be_late(message: EntityMessage) -> TypeGuard[OperationRequest]:
    """Whether receivers can tell by its label that it has not come yet."""
    return isinstance(message, OperationRequest) and message.timestamp != NO_TIME


def _release(target: str, holder: str, lock_id: str, after: Earlier | None) -> Outgoing:
    return Outgoing(target=target, message=Release(parent=holder, id=lock_id, after=after))


class CriticalSection:
    """The critical section of one execution: the one it is in, or none."""

    def __init__(self, instance_id: str, execution_id: str) -> None:
        self._instance_id = instance_id
        self._execution_id = execution_id
        self._lock_id: str | None = None
        self._entities: tuple[EntityId, ...] = ()
        self._called: set[EntityId] = set()
        self._is_held = False

    @property
    def lock_id(self) -> str | None:
        """The current section's id, which names the answer that grants its locks."""
        return self._lock_id

    @property
    def entities(self) -> tuple[EntityId, ...]:
        """What the current section locks, in order."""
        return self._entities

    @property
    def is_held(self) -> bool:
        """Whether all locks of the section have been granted."""
        return self._is_held

    def ask(self, entities: Iterable[EntityId], lock_id: str) -> Outgoing:
        """Enter a section: the request to send to the first entity (not labelled yet).

        Raises:
            LockingRulesViolation: there is a section already, or nothing to lock.
        """
        if self._lock_id is not None:
            raise LockingRulesViolation(
                "An orchestration must not lock entities inside a critical section: it holds, or "
                f"waits for, {self._names()}. Lock all of them with one lock_entities.",
                rule="nested-lock",
            )
        ordered = lock_order(entities)
        self._lock_id, self._entities = lock_id, ordered
        request = OperationRequest(
            op=None,
            id=lock_id,
            parent=self._instance_id,
            parent_execution=self._execution_id,
            lock_set=ordered,
        )
        return Outgoing(target=str(ordered[0]), message=request)

    def grant(self) -> None:
        """The last entity has answered."""
        self._is_held = True

    def call(self, entity: EntityId) -> None:
        """An entity is about to be called.

        Raises:
            LockingRulesViolation: inside a section, it isn't locked, not yet, or still at work.
        """
        if self._lock_id is None:
            return
        if entity not in self._entities:
            raise LockingRulesViolation(
                f"{entity} must not be called inside this critical section: it isn't one of the "
                f"locked entities ({self._names()}). Lock it with them, or call it outside.",
                rule="call-to-unlocked",
            )
        if not self._is_held:
            raise LockingRulesViolation(
                f"{entity} must not be called before its lock is granted: wait for lock_entities, "
                "with 'yield' or 'await', first.",
                rule="lock-pending",
            )
        if entity in self._called:
            raise LockingRulesViolation(
                f"{entity} must not be called inside a critical section while an earlier call to "
                "it is still running: wait for that one first.",
                rule="call-pending",
            )
        self._called.add(entity)

    def answered(self, entity: EntityId) -> None:
        """A call to an entity has ended."""
        self._called.discard(entity)

    def signal(self, entity: EntityId) -> None:
        """An entity is about to be signalled.

        Raises:
            LockingRulesViolation: the section locks it.
        """
        if entity in self._entities:
            raise LockingRulesViolation(
                f"{entity} must not be signalled inside the critical section that locks it: call "
                "it instead.",
                rule="signal-to-locked",
            )

    def start_child(self, name: str) -> None:
        """A child orchestration is about to be called.

        Raises:
            LockingRulesViolation: inside a section.
        """
        if self._lock_id is not None:
            raise LockingRulesViolation(
                f"Orchestrator {name!r} must not be called inside a critical section (locked: "
                f"{self._names()}): the child could wait for these entities for ever. Call it "
                "before or after.",
                rule="child-inside",
            )

    def leave(self) -> list[Outgoing]:
        """Leave the section, whether granted or not: the releases to send. None outside one.

        One that a call is still on its way to says so; which label that has, its sender knows.
        """
        lock_id, entities, called = self._lock_id, self._entities, self._called
        self._lock_id, self._entities, self._is_held = None, (), False
        self._called = set()
        if lock_id is None:
            return []
        under_way = Earlier(execution_id=self._execution_id, timestamp=NO_TIME)
        return [
            _release(
                str(entity), self._instance_id, lock_id, under_way if entity in called else None
            )
            for entity in entities
        ]

    def _names(self) -> str:
        return ", ".join(str(entity) for entity in self._entities)
