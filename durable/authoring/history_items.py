"""``context.histories``: the rows of a history as azure-functions-durable 1.7 shows them."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from durable.model import events
from durable.wire.event_json import encode_event_json
from durable.wire.event_shapes import shape_of


class HistoryEventType(enum.IntEnum):
    """What a row says, by the numbers in .NET and in 1.7."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_FAILED = 2
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_ORCHESTRATION_INSTANCE_CREATED = 7
    SUB_ORCHESTRATION_INSTANCE_COMPLETED = 8
    SUB_ORCHESTRATION_INSTANCE_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_SENT = 14
    EVENT_RAISED = 15
    CONTINUE_AS_NEW = 16
    GENERIC_EVENT = 17
    HISTORY_STATE = 18
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20
    #: Not in 1.7.
    EXECUTION_REWOUND = 21


class HistoryEvent:
    """One row. Its other properties are attributes under .NET's names: `Name`, `Input`, `Result`.

    Attributes:
        event: the row in durable's own terms.
    """

    def __init__(self, event: events.HistoryEvent, *, is_played: bool) -> None:
        self.event = event
        self._is_played = is_played

    @property
    def event_type(self) -> HistoryEventType:
        """What the row says."""
        return HistoryEventType(shape_of(self.event).number)

    @property
    def event_id(self) -> int:
        """The number of the action it decides; -1 for every other row."""
        return self.event.event_id

    @property
    def is_played(self) -> bool:
        """A turn before this one processed it."""
        return self._is_played

    @property
    def timestamp(self) -> datetime:
        """When it was made."""
        return self.event.timestamp

    @cached_property
    def _properties(self) -> dict[str, object]:
        return encode_event_json(self.event) | {"IsPlayed": self.is_played}

    def __getattr__(self, name: str) -> Any:
        # Only what .NET names: `_properties` itself must not be looked for in itself.
        if name[:1].isupper() and name in self._properties:
            return self._properties[name]
        raise AttributeError(f"A {type(self.event).__name__} has no {name!r}.")

    def __repr__(self) -> str:
        # Without payloads: representations end up in logs.
        return f"<HistoryEvent {self.event_type.name} {self.event_id}>"


def history_items(history: Sequence[events.HistoryEvent]) -> list[HistoryEvent]:
    """`history` as 1.7 shows it: what came before the last turn began is played."""
    begun = [at for at, row in enumerate(history) if isinstance(row, events.OrchestratorStarted)]
    now = begun[-1] if begun else 0
    return [HistoryEvent(row, is_played=at < now) for at, row in enumerate(history)]
