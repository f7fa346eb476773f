"""A message that a host delivered, and what is to become of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from durable.engine.judgement import Waiting
from durable.model.messages import Cause, TaskMessage
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


@dataclass(kw_only=True, slots=True)
class Delivery:
    """One delivery of one queue message."""

    queue: str
    raw: QueueMessage
    message: TaskMessage
    lease: Lease
    outcome: Outcome | None = None

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
