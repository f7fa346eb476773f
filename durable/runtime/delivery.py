"""A message that a host delivered, and what is to become of it."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from durable.engine.judgement import Waiting
from durable.model.messages import Cause, TaskMessage
from durable.model.status import InstanceRow
from durable.storage.values import QueueMessage


@dataclass(frozen=True, slots=True)
class Done:
    """Dealt with for good: it may be deleted."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Its time has not come: a copy comes back after `delay_seconds`.

    `since` is when it was first deferred for `cause`, to know when patience ends.
    """

    delay_seconds: float
    since: datetime | None = None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Nobody can deal with it: kept aside, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine failed on it; it comes back, and is quarantined after too many failures."""

    error: Exception


@dataclass(frozen=True, slots=True)
class LeaseOver:
    """Somebody else may have it by now: neither applied nor deleted (R7)."""


Outcome = Done | Deferred | Quarantined | Failed | LeaseOver


@dataclass(slots=True)
class Lease:
    """Until when a message is ours alone, in our own monotonic seconds; whoever renews extends."""

    until: float


class InstanceUnusable(Exception):
    """Nothing can be done for an instance now, whichever message asks for it; `error` says why."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Scope(Protocol):
    """What work runs inside that its message caused: an invocation of a host, or a worker."""

    def serves(self, queue: str) -> bool:
        """Whether a message of `queue` may be handed over to this process now."""
        ...

    def may_linger(self) -> bool:
        """Whether what is spawned may take long: whoever brings messages has places to spare."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None], *, queue: str | None = None) -> None:
        """Run `work`, and wait for it before the scope ends. `queue`: it is a message of that."""
        ...


class Anchor(Protocol):
    """What brings a result back that is in memory only, should this process die."""

    @property
    def is_set(self) -> bool:
        """Whether a message of the activity is in the queue, held by this process."""
        ...


@dataclass(kw_only=True, slots=True, eq=False)
class Delivery:
    """One delivery of one message, out of a queue or out of memory.

    Attributes:
        queue: where it came from; of a result in memory, where it would be put.
        raw: the queue message; of one in memory, a stand-in with an id of its own and no text.
        message: what it says.
        lease: until when it is ours.
        outcome: what is to become of it, once that is decided.
        scope: what work runs inside that it causes; None: only its own turn.
        anchor: of a result in memory.
        row: of a start, the Instances row that this process has just inserted for it.
        room: bytes that it takes of those that large messages may.
    """

    queue: str
    raw: QueueMessage
    message: TaskMessage
    lease: Lease
    outcome: Outcome | None = None
    scope: Scope | None = None
    anchor: Anchor | None = None
    row: InstanceRow | None = None
    room: int = 0

    @property
    def holds(self) -> bool:
        """Whether a queue message stands behind it, which comes back if this process dies."""
        return self.anchor is None or self.anchor.is_set

    @property
    def key(self) -> str:
        return self.raw.id

    @property
    def waiting(self) -> Waiting:
        return Waiting(key=self.raw.id, message=self.message)

    def waits_since(self, cause: Cause) -> datetime | None:
        """When it was first deferred for `cause`; a wait for something else doesn't count."""
        extras = self.message.extras
        return extras.since if extras.cause is cause else None

    def copy_for_later(
        self, *, failures: int, since: datetime | None, cause: Cause | None
    ) -> TaskMessage:
        """The message as it is put anew: under the identity it has now (R7)."""
        extras = replace(
            self.message.extras,
            identity=self.waiting.identity,
            failures=failures,
            since=since,
            cause=cause,
        )
        return replace(self.message, extras=extras)


def as_it_waits(delivery: Delivery, delay_seconds: float) -> Deferred:
    """A deferral that changes nothing about what the message waits for."""
    extras = delivery.message.extras
    return Deferred(delay_seconds, extras.since, extras.cause)
