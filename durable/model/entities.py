"""Entities: what is sent to and from them, and what an entity remembers between its turns.

An entity is an instance under an id like ``@name@key``. All it is told arrives as raised events;
what it remembers is the input of its current execution (spec/engine-semantics.md 5).
Members marked *ours* are unknown to the original and ignored by it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from durable.model.failure import FailureDetails
from durable.model.ids import EntityId
from durable.model.times import NO_TIME

OPERATION, RELEASE, CONTINUE = "op", "release", "continue"
#: How the original's repair of orphaned locks calls itself, in place of a lock request's id.
ORPHAN_REPAIR = "fix-orphaned-lock"
LOCK_GRANTED = "Lock Acquisition Completed"
#: The longest delay that one message can have; what is due later is sent on by its receiver.
MAX_DELAY = timedelta(days=6)


class EventKind(enum.Enum):
    """What an event that reaches an entity means, by its name alone."""

    REQUEST = "request"
    RELEASE = "release"
    CONTINUE = "continue"


def event_kind(name: str | None) -> EventKind:
    """The kind of an event of that name: ``op``, ``op@{due}``, ``release``, anything else."""
    if name is not None and name.startswith(OPERATION):
        return EventKind.REQUEST
    return EventKind.RELEASE if name == RELEASE else EventKind.CONTINUE


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """The last request that a sender's earlier execution made of an entity."""

    execution_id: str
    timestamp: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationRequest:
    """An operation to run, or the entity to lock.

    Attributes:
        op: the operation's name; None for a lock request.
        id: names the answer's event; for a lock request, the critical section.
        is_signal: nobody waits for the answer.
        input: JSON text.
        parent: who sent it; None for a client.
        parent_execution: the execution that sent it; None for clients and entities.
        due: not to run before that time.
        timestamp: the sender's label: unique and growing among what it sends to one entity.
        predecessor: the label of the request before this one; `NO_TIME` when there was none.
        lock_set: all entities that the critical section locks, in their order.
        position: whose turn it is in `lock_set`.
        after: *ours*: what the sender's earlier executions sent last; to be waited for.
    """

    op: str | None
    id: str
    is_signal: bool = False
    input: str | None = None
    parent: str | None = None
    parent_execution: str | None = None
    due: datetime | None = None
    timestamp: datetime = NO_TIME
    predecessor: datetime = NO_TIME
    lock_set: tuple[EntityId, ...] = ()
    position: int = 0
    after: Earlier | None = None

    @property
    def is_lock(self) -> bool:
        return bool(self.lock_set)


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """An operation's result, or its failure; also the grant of a lock. `id` is the request's."""

    id: str
    result: str | None = None
    failure: FailureDetails | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """The holder of a lock, or who waited for it, gives it up. `id` is the lock request's.

    `after` (*ours*) is what the holder called last inside its critical section without waiting for
    the answer: it comes before the next one's section.
    """

    parent: str
    id: str
    after: Earlier | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaving:
    """A release that waits for what it names with `after`, since `since`."""

    release: Release
    since: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Continue:
    """Go on with what is queued."""


#: What can arrive at an entity.
EntityMessage = OperationRequest | Release | Continue


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderEntry:
    """What an entity knows of one sender.

    Attributes:
        last: the label of the last request that was let through; `NO_TIME` for none.
        execution_id: of which execution that was; None for entities.
        buffered: requests that came too early, by label.
        earlier: *ours*: labels let through last, of executions before that one.
    """

    last: datetime = NO_TIME
    execution_id: str | None = None
    buffered: tuple[OperationRequest, ...] = ()
    earlier: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class SorterState:
    """What keeps requests in order and once: labels given out, labels seen."""

    last_sent: Mapping[str, datetime] = field(default_factory=dict)
    received: Mapping[str, SenderEntry] = field(default_factory=dict)
    receive_horizon: datetime = NO_TIME
    send_horizon: datetime = NO_TIME


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerState:
    """What an entity remembers between its turns.

    Attributes:
        state: the user's state, JSON text; None for an entity that doesn't exist.
        queue: requests waiting for their turn.
        locked_by: the instance that holds the lock.
        suspended: the original's pause between two batches; read, never written by us.
        sorter: order and once-only of what is sent and received.
        lock_id: *ours*: the lock request that holds the lock; None when .NET granted it.
        given_up: *ours*: lock requests released before they came, and when.
        outbox: *ours*: what one checkpoint had no room to send; it goes first in the next.
        leaving: *ours*: the holder's release, when it overtook a call before it.
        wakes_at: *ours*: when a ``continue`` of its own arrives, sent for what it holds.
    """

    state: str | None = None
    queue: tuple[OperationRequest, ...] = ()
    locked_by: str | None = None
    suspended: bool = False
    sorter: SorterState = field(default_factory=SorterState)
    lock_id: str | None = None
    given_up: Mapping[str, datetime] = field(default_factory=dict)
    outbox: tuple[Send, ...] = ()
    leaving: Leaving | None = None
    wakes_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityStatus:
    """What an entity shows of itself, as its custom status. `error`: the original's own trouble."""

    exists: bool = False
    queue_size: int = 0
    locked_by: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """A message to an entity, or an answer to an orchestration.

    `target` is an instance id, `execution_id` the execution it is for (answers only).
    """

    target: str
    message: EntityMessage | Response
    deliver_at: datetime | None = None
    execution_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """What an operation asks another entity to do. `input` is JSON text."""

    target: EntityId
    op: str
    input: str | None = None
    due: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OrchestrationStart:
    """An orchestration that an operation starts, and doesn't wait for. `input` is JSON text."""

    name: str
    instance_id: str | None = None
    input: str | None = None
    version: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationResult:
    """How one operation ended.

    Attributes:
        state: the entity's state after it, None when it deleted itself. Ignored on failure.
        result: JSON text, for the caller.
        failure: what it raised.
        effects: what it asked for, in order. Ignored on failure.
    """

    state: str | None
    result: str | None = None
    failure: FailureDetails | None = None
    effects: tuple[Signal | OrchestrationStart, ...] = ()


#: What an entity's turn sends.
Send = Outgoing | OrchestrationStart
