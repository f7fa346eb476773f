"""What becomes of a message by its verdict, and when patience with it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from durable.clock import Clock
from durable.engine.judgement import Verdict
from durable.hub.commit import InstanceState
from durable.hub.settings import HubSettings
from durable.model.events import ExecutionStarted
from durable.model.messages import Cause
from durable.runtime.delivery import Deferred, Delivery, Done, Outcome, Quarantined
from durable.runtime.settings import EngineSettings

_SHORTEST_SECONDS, _LONGEST_SECONDS = 1.0, 60.0


class Patience:
    """Turns verdicts into outcomes; a deferred message remembers since when it waits."""

    def __init__(self, hub: HubSettings, settings: EngineSettings, clock: Clock) -> None:
        # R7: longer than the longest lease, since what it waits for may be held up by one.
        self._instance_seconds = hub.lease_seconds + hub.grace_seconds
        self._code_seconds = settings.unknown_code_seconds
        self._versions = settings.versions
        self._clock = clock

    def outcome(self, verdict: Verdict, delivery: Delivery, state: InstanceState) -> Outcome:
        """What becomes of `delivery`, now that `state` is quiet."""
        match verdict:
            case Verdict.APPLY | Verdict.DROP:
                return Done()
            case Verdict.DEFER:
                return self._deferred(delivery, state)
            case Verdict.WAIT_FOR_INSTANCE:
                what = (
                    "no row of the Instances table names this start"
                    if isinstance(delivery.message.event, ExecutionStarted)
                    else "the hub has no such instance"
                )
                return self._until(delivery, self._instance_seconds, what)

    def for_code(self, batch: Sequence[Delivery]) -> Deferred | None:
        """How to put off messages that no code here can deal with; None when patience is over."""
        return self._waiting(batch, Cause.CODE, self._code_seconds)

    def for_version(self, batch: Sequence[Delivery], version: str) -> Deferred | None:
        """How to put off messages for an instance of another version; None: it has to fail."""
        if not self._versions.leaves(version):
            return None
        # There may be a process that runs it, or there may be one some day.
        return self._waiting(batch, Cause.VERSION, math.inf)

    def _waiting(self, batch: Sequence[Delivery], cause: Cause, limit: float) -> Deferred | None:
        if not batch:
            return Deferred(0.0)
        now = self._clock.now()
        since = min((_since(delivery, cause, now) for delivery in batch), default=now)
        waited = (now - since).total_seconds()
        return Deferred(_pause(waited, limit), since, cause) if waited < limit else None

    def _deferred(self, delivery: Delivery, state: InstanceState) -> Outcome:
        row = state.row
        due = row.scheduled_start_time if row is not None and row.is_unstarted else None
        if due is not None and due > self._clock.now():
            return Deferred((due - self._clock.now()).total_seconds())
        what = "the task it answers was never recorded"
        return self._until(delivery, self._instance_seconds, what)

    def _until(self, delivery: Delivery, limit: float, what: str) -> Outcome:
        now = self._clock.now()
        since = _since(delivery, Cause.INSTANCE, now)
        waited = (now - since).total_seconds()
        if waited > limit:
            return Quarantined(
                f"After {waited:.0f} s, {what}. Replay it once that has changed, or discard it."
            )
        return Deferred(_pause(waited, limit), since, Cause.INSTANCE)


def _since(delivery: Delivery, cause: Cause, now: datetime) -> datetime:
    """When its wait began. No damaged message, no clock ahead makes it wait without end."""
    return min(delivery.waits_since(cause) or now, now)


def _pause(waited: float, limit: float) -> float:
    """About doubling, and never far beyond the limit."""
    return min(max(waited, _SHORTEST_SECONDS), _LONGEST_SECONDS, max(limit - waited, 1.0) + 1.0)
