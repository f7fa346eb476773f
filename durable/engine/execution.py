"""What a turn needs of the code it runs: an orchestrator's, or an entity's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from durable.model.actions import Outcome, Recordable
from durable.model.events import EventRaised, HistoryEvent


class Execution(Protocol):
    """One execution of an instance: it is fed rows, and says what it decided."""

    @property
    def undecided(self) -> Sequence[Recordable]:
        """The decisions that no row records yet, in order."""
        ...

    @property
    def outcome(self) -> Outcome | None:
        """How it ends; None while it goes on."""
        ...

    @property
    def custom_status(self) -> str | None:
        """JSON text; None when it was never set."""
        ...

    @property
    def unconsumed_events(self) -> Sequence[EventRaised]:
        """External events nobody waited for, in order of arrival."""
        ...

    def feed(self, event: HistoryEvent, *, replaying: bool) -> None:
        """Take the next row of history."""
        ...

    def close(self) -> None:
        """Drop it."""
        ...
