"""What an execution may hold: checked before each checkpoint, and said before it is too late."""

from __future__ import annotations

import logging

from durable.engine.limits import (
    WARN_AT,
    ExecutionLimits,
    Extent,
    extent_after,
    history_excess,
    payload_excess,
)
from durable.engine.turn import Draft
from durable.errors import HistoryTooLarge, PayloadTooLarge
from durable.model.ids import is_entity_id
from durable.runtime.sessions import Session
from durable.runtime.settings import EngineSettings

log = logging.getLogger("durable.orchestrations")


class Limits:
    """Judges drafts by the process's settings."""

    def __init__(self, settings: EngineSettings, *, payload_bytes: int) -> None:
        self._limits = ExecutionLimits(
            events=settings.max_history_events,
            size=settings.max_history_bytes,
            payload=payload_bytes,
        )

    def refusal(self, session: Session, draft: Draft) -> HistoryTooLarge | PayloadTooLarge | None:
        """Why `draft` is not to be committed; None when it is.

        An entity's operations were checked one by one, and its history is never long.
        """
        state = session.state
        if is_entity_id(state.instance_id):
            return None
        before = Extent(events=len(state.ledger.rows), size=session.size)
        after = extent_after(draft, before)
        over = history_excess(draft, after, self._limits, state.instance_id)
        if over is None:
            self._warn(state.instance_id, before, after)
        return over or payload_excess(draft, self._limits.payload)

    def _warn(self, instance_id: str, before: Extent, after: Extent) -> None:
        if before.share_of(self._limits) <= WARN_AT < after.share_of(self._limits):
            log.warning(
                "the history of instance %r has grown to %d events and about %d bytes; it fails "
                "at %d events (maxHistoryEvents) or %d bytes (maxHistoryBytes).",
                instance_id,
                after.events,
                after.size,
                self._limits.events,
                self._limits.size,
                extra={"instance_id": instance_id},
            )
