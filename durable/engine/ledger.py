"""What a history says, kept up to date row by row.

A live session holds its ledger between turns, so a turn costs what it adds and not what was there
before. Everything here could be computed from the rows anew, and gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    GenericEvent,
    HistoryEvent,
    OrchestratorCompleted,
    OrchestratorStarted,
    RewoundChild,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
    answered_task,
    identity_of,
)
from durable.model.history import StoredEvent
from durable.model.status import RuntimeStatus
from durable.model.times import tick_of


class Ledger:
    """The rows of one execution that count, and what follows from them.

    Attributes:
        rows: in order; a row's index is its row key.
        started: the execution's start, None before it counts.
        completed: its end, None while it runs.
        answered: task ids that have a result.
        scheduled: task ids that may get one.
        identities: identities of what clients sent that is in the rows, with the time each was
            consumed.
        unnamed: what the events say that .NET recorded, which had no identity.
        custom_status: the last one a row of ours recorded, JSON text.
        suspended: the suspend event that is in force.
        resumed: the last resume event.
        rewound: how many rows a rewind took back.
        rewound_ids: the numbers those rows had, with the stretches they were in: they may be
            given again.
        rewound_children: where the children stood that a rewind rewound, by task id.
    """

    def __init__(self, rows: Iterable[StoredEvent] = ()) -> None:
        self.rows: list[StoredEvent] = []
        self.started: ExecutionStarted | None = None
        self.started_row: StoredEvent | None = None
        self.completed: ExecutionCompleted | None = None
        self.completed_row: StoredEvent | None = None
        self.answered: set[int] = set()
        self.scheduled: set[int] = set()
        self.identities: dict[str, datetime] = {}
        self.unnamed: set[tuple[object, ...]] = set()
        self.custom_status: str | None = None
        self.suspended: ExecutionSuspended | None = None
        self.resumed: ExecutionResumed | None = None
        self.rewound = 0
        self.rewound_ids: dict[int, list[int]] = {}
        self.rewound_children: dict[int, RewoundChild] = {}
        self.highest_task_id = -1
        self._episode_time: datetime | None = None
        self._ends: list[int] = []
        for row in rows:
            self.append(row)

    def append(self, row: StoredEvent) -> None:
        """Take the next row in."""
        row = self._identified(row)
        self.rows.append(row)
        event = row.event
        task_id = answered_task(event)
        if task_id is not None:
            self.answered.add(task_id)
            return
        self.highest_task_id = max(self.highest_task_id, event.event_id)
        match event:
            case OrchestratorStarted():
                self._episode_time = event.timestamp
            case OrchestratorCompleted():
                self._ends.append(len(self.rows))
                if event.custom_status is not None:
                    self.custom_status = event.custom_status
            case TaskScheduled() | SubOrchestrationCreated() | TimerCreated():
                self.scheduled.add(event.event_id)
                self._note_rewound(event)
            case GenericEvent():
                self._note_rewound(event)
            case _:
                self._note_milestone(row)
        identity = identity_of(event)
        if identity is not None:
            self.identities[identity] = self._episode_time or event.timestamp

    def _note_rewound(self, event: HistoryEvent) -> None:
        """What a rewind left behind for those who come after it."""
        match event:
            case GenericEvent(is_rewound=True):
                self.rewound += 1
                if event.event_id >= 0:
                    stretches = self.rewound_ids.setdefault(event.event_id, [])
                    stretches.append(len(self._ends) + 1)
            case SubOrchestrationCreated(rewound_child=RewoundChild() as child):
                self.rewound_children[event.event_id] = child
            case _:
                pass

    def _identified(self, row: StoredEvent) -> StoredEvent:
        """An event that .NET recorded has no identity: it is known by its place in the rows."""
        event = row.event
        if not isinstance(event, EventRaised) or event.identity is not None:
            return row
        self.unnamed.add(content_of(event))
        execution_id = self.started.instance.execution_id if self.started is not None else None
        identity = f"r:{execution_id}:{len(self.rows)}"
        return replace(row, event=replace(event, identity=identity))

    def _note_milestone(self, row: StoredEvent) -> None:
        match row.event:
            case ExecutionStarted() as event:
                self.started, self.started_row = event, row
            case ExecutionCompleted() as event:
                self.completed, self.completed_row = event, row
            case ExecutionSuspended() as event:
                self.suspended = event
            case ExecutionResumed() as event:
                self.suspended, self.resumed = None, event
            case _:
                pass

    @property
    def unanswered(self) -> int:
        """About how many tasks wait for their answer."""
        return len(self.scheduled) - len(self.answered)

    @property
    def stretches(self) -> int:
        """How many stretches (turns) the rows hold; an unfinished last one counts (R10)."""
        ended = self._ends[-1] if self._ends else 0
        return len(self._ends) + (1 if len(self.rows) > ended else 0)

    @property
    def status(self) -> RuntimeStatus | None:
        """The status the rows stand for; None when nothing has started."""
        if self.started is None:
            return None
        if self.completed is not None and not self.is_half_done:
            return self.completed.status
        return RuntimeStatus.SUSPENDED if self.suspended is not None else RuntimeStatus.RUNNING

    @property
    def is_half_done(self) -> bool:
        """The execution ended by continue-as-new and the next one is still to be committed."""
        return (
            self.completed is not None and self.completed.status is RuntimeStatus.CONTINUED_AS_NEW
        )

    @property
    def is_finished(self) -> bool:
        """The instance has ended for good."""
        return self.completed is not None and not self.is_half_done

    def above(self, sequence: int) -> Iterator[tuple[int, StoredEvent]]:
        """The rows of all stretches after the first `sequence`, each with its stretch (from 1)."""
        stretch = max(sequence, 0)
        if stretch > len(self._ends):
            return  # the unfinished last one is below it as well
        start = self._ends[stretch - 1] if stretch else 0
        for index in range(start, len(self.rows)):
            if stretch < len(self._ends) and index >= self._ends[stretch]:
                stretch += 1
            yield stretch + 1, self.rows[index]


def content_of(event: EventRaised) -> tuple[object, ...]:
    """What tells an event without identity from others: when it was raised, its name, its data."""
    return event.timestamp, tick_of(event.timestamp), event.name, event.input
