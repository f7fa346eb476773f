"""Which waiting messages a turn applies, and what becomes of the rest (R3 to R8).

A port of `judge` in the protocol's model (shared/model/procs.py). The order of the questions is
the protocol; do not reorder them without running the model.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from durable.engine.late_answers import is_of_before_rewind
from durable.engine.ledger import Ledger, content_of
from durable.engine.owing import names_lineage
from durable.model.events import (
    EventRaised,
    ExecutionStarted,
    ExecutionTerminated,
    HistoryEvent,
    OrchestratorStarted,
    answered_task,
    identity_of,
)
from durable.model.history import RecentIdentity, Sentinel
from durable.model.messages import TaskMessage
from durable.model.status import InstanceRow


class Verdict(enum.Enum):
    """What becomes of a message. Nothing is deleted before the instance is quiet (R3)."""

    APPLY = "apply"  # enters the turn; deleted after it
    DROP = "drop"  # duplicate, stale or refused: deleted
    DEFER = "defer"  # its time has not come: comes back
    WAIT_FOR_INSTANCE = "wait-for-instance"  # an event for nobody: comes back, then quarantined


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A message that waits for the instance.

    Attributes:
        key: the queue message's id; stands in for an identity the message lacks (R7).
        message: what it says.
    """

    key: str
    message: TaskMessage

    @property
    def identity(self) -> str:
        """Who raised this event, the same however often it is put or delivered (R7)."""
        event = self.message.event
        if isinstance(event, EventRaised):
            return self.message.extras.identity or f"q:{self.key}"
        return identity_of(event) or f"q:{self.key}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """How an execution comes to begin: from its start message, or from the Pending row (R6)."""

    event: ExecutionStarted
    from_row: bool = False

    @property
    def is_child(self) -> bool:
        return self.event.parent is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What is known of an instance when its messages are judged.

    `from_memory` marks a live session: memory may commit, not refuse (R4).
    `row_start` is the start a Pending row stands for, when there is such a row.
    `entity_start` is how an entity begins to live, with the first event that reaches it (R7); only
    for entities. Their events are for whatever execution is current.
    """

    ledger: Ledger
    sentinel: Sentinel | None
    row: InstanceRow | None
    from_memory: bool
    row_start: ExecutionStarted | None = None
    entity_start: ExecutionStarted | None = None


@dataclass(kw_only=True, slots=True)
class Judgement:
    """The outcome. When `look_afresh`, nothing else counts: load from storage and judge again."""

    look_afresh: bool = False
    start: Start | None = None
    finish_hand_over: bool = False
    applied: list[Waiting] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)


def in_order(messages: Sequence[Waiting]) -> list[Waiting]:
    """Starts first, the rest as they came (a dequeued batch is sorted by its receiver)."""
    return sorted(messages, key=lambda m: not isinstance(m.message.event, ExecutionStarted))


def judge(standing: Standing, messages: Sequence[Waiting], now: datetime) -> Judgement:
    """Judge `messages`, which wait for one instance, at `now` (our clock)."""
    return _Judge(standing, now).judge(messages)


class _FreshLook(Exception):
    """Memory alone may not answer (R4)."""


class _Judge:
    def __init__(self, standing: Standing, now: datetime) -> None:
        self._now = now
        self._ledger = standing.ledger
        self._sentinel = standing.sentinel
        self._row = standing.row
        self._cached = standing.from_memory
        self._row_start = standing.row_start
        self._entity_start = standing.entity_start
        self._tombstone = standing.sentinel is not None and standing.sentinel.purged
        self._pending = self._row_waits()
        self._remembered: frozenset[str] | None = None
        self._fresh_ids: set[str] = set()
        self._answered: set[int] = set()
        self._refused = False
        self._out = Judgement()

    def _row_waits(self) -> bool:
        """A Pending row names an execution that no history of ours has begun."""
        row, sentinel = self._row, self._sentinel
        if row is None or not row.is_unstarted:
            return False
        if sentinel is None or (not self._ledger.rows and not self._tombstone):
            return True
        return not names_lineage(sentinel, row.execution_id)

    def judge(self, messages: Sequence[Waiting]) -> Judgement:
        try:
            for waiting in in_order(messages):
                self._out.verdicts[waiting.key] = self._one(waiting)
            if self._refused or (self._pending and self._out.start is None):
                self._need_fresh_look()
        except _FreshLook:
            return Judgement(look_afresh=True)
        self._out.finish_hand_over = (
            self._ledger.is_half_done and self._out.start is None and not self._pending
        )
        return self._out

    def _need_fresh_look(self) -> None:
        if self._cached:
            raise _FreshLook  # R4: before any refusal, look at storage

    def _one(self, waiting: Waiting) -> Verdict:
        event = waiting.message.event
        if isinstance(event, ExecutionStarted):
            return self._start_message(waiting, event)
        if self._pending and self._addresses(waiting, self._pending_execution()):
            return self._for_pending_row(waiting)
        started = self._out.start
        if started is not None and self._addresses(waiting, started.event.instance.execution_id):
            return self._with_start(waiting)
        return self._for_history(waiting)

    def _pending_execution(self) -> str | None:
        return self._row.execution_id if self._row is not None else None

    def _addresses(self, waiting: Waiting, execution_id: str | None) -> bool:
        if self._entity_start is not None and isinstance(waiting.message.event, EventRaised):
            return True
        if not self._is_of_line(waiting, execution_id):
            return False
        return waiting.message.target.execution_id in (None, execution_id)

    def _is_of_line(self, waiting: Waiting, execution_id: str | None) -> bool:
        """W25: what was said to an instance is not for one that was started under its id since."""
        line, sentinel = waiting.message.extras.line, self._sentinel
        if line is None or line == execution_id:
            return True
        if sentinel is None or execution_id != sentinel.execution_id:
            return False
        # After a .NET merge nobody knows the line: what it says is heard, as there.
        return not sentinel.is_ours or line == sentinel.first_execution_id

    def _start_message(self, waiting: Waiting, event: ExecutionStarted) -> Verdict:
        self._need_fresh_look()  # R4: a start always reads storage
        named = event.instance.execution_id
        lives = bool(self._ledger.rows) or self._tombstone
        if lives and names_lineage(self._sentinel, named):
            return Verdict.DROP  # R5: a duplicate
        if event.parent is not None and self._was_consumed(begun_identity(named)):
            return Verdict.DROP  # a duplicate, too: another execution has replaced it since
        if event.parent is None and (self._row is None or self._row.execution_id != named):
            if waiting.message.extras.mark:
                return Verdict.DROP  # R6: a marked start that the row doesn't name is stale
            return Verdict.WAIT_FOR_INSTANCE  # unmarked (.NET): its row may be on its way
        if event.parent is not None and self._pending:
            return Verdict.DEFER  # a client's accepted start comes first, or it would be lost
        if self._out.start is None:
            self._out.start = Start(event=event)
        elif self._out.start.event.instance.execution_id != named:
            return Verdict.DEFER  # two parents start one child id: each in a turn of its own
        return Verdict.APPLY

    def _for_pending_row(self, waiting: Waiting) -> Verdict:
        """R6: any message for a Pending row without history starts the instance from the row."""
        event = waiting.message.event
        if answered_task(event) is not None:
            return Verdict.DEFER
        if self._was_consumed(waiting.identity):
            return Verdict.DROP  # by an execution before: it must not reach into this one
        due = self._row.scheduled_start_time if self._row is not None else None
        if due is not None and due > self._now and not isinstance(event, ExecutionTerminated):
            return Verdict.DEFER
        if self._out.start is None:
            if self._row_start is None:
                return Verdict.DEFER
            self._out.start = Start(event=self._row_start, from_row=True)
        return self._apply_once(waiting)

    def _with_start(self, waiting: Waiting) -> Verdict:
        if answered_task(waiting.message.event) is not None:
            return Verdict.DEFER
        return self._apply_once(waiting)

    def _apply_once(self, waiting: Waiting) -> Verdict:
        """What clients send takes effect once, however often it is delivered (R7)."""
        identity = waiting.identity
        if identity in self._fresh_ids or self._was_consumed(identity):
            return Verdict.DROP
        self._fresh_ids.add(identity)
        self._out.applied.append(waiting)
        return Verdict.APPLY

    def _for_history(self, waiting: Waiting) -> Verdict:
        if self._entity_start is not None and (self._tombstone or not self._ledger.rows):
            return self._for_no_entity(waiting, self._entity_start)
        if self._tombstone:
            return self._refuse()  # R8: whatever names a tombstone's executions is dropped
        if not self._ledger.rows or self._sentinel is None:
            self._need_fresh_look()  # "nothing there" is never answered from memory
            if isinstance(waiting.message.event, EventRaised):
                return Verdict.WAIT_FOR_INSTANCE  # R7
            return Verdict.DROP
        if not self._addresses(waiting, self._sentinel.execution_id):
            return self._refuse()
        if self._pending:
            return self._refuse()  # R5: a newer accepted start ends this execution
        if self._ledger.is_finished:
            return self._refuse()
        return self._for_running(waiting)

    def _for_no_entity(self, waiting: Waiting, start: ExecutionStarted) -> Verdict:
        """R7: an entity is created by the first event that reaches it, anew after a purge."""
        self._need_fresh_look()
        if not isinstance(waiting.message.event, EventRaised):
            return Verdict.DROP
        if self._was_consumed(waiting.identity):
            return Verdict.DROP
        self._out.start = Start(event=start)
        return self._apply_once(waiting)

    def _refuse(self) -> Verdict:
        self._refused = True
        return Verdict.DROP

    def _for_running(self, waiting: Waiting) -> Verdict:
        event = waiting.message.event
        task_id = answered_task(event)
        if task_id is not None:
            return self._answer(waiting, task_id)
        if self._was_taken_by_dotnet(waiting.message):
            return Verdict.DROP
        return self._apply_once(waiting)

    def _was_taken_by_dotnet(self, message: TaskMessage) -> bool:
        """The original wrote the event down, and was stopped before it deleted the message."""
        event, unnamed = message.event, message.extras.identity is None
        return (
            unnamed and isinstance(event, EventRaised) and content_of(event) in self._ledger.unnamed
        )

    def _was_consumed(self, identity: str) -> bool:
        if identity in self._ledger.identities:
            return True
        if self._remembered is None:  # made on first need: most turns bring no event
            recent = self._sentinel.identities if self._sentinel is not None else ()
            self._remembered = frozenset(each.identity for each in recent)
        return identity in self._remembered

    def _answer(self, waiting: Waiting, task_id: int) -> Verdict:
        if self._ledger.is_half_done or is_of_before_rewind(self._ledger, waiting.message):
            return self._refuse()
        if task_id in self._answered:
            return Verdict.DROP
        if task_id in self._ledger.answered:
            # Not from memory: a rewind may have taken the answer back since.
            return self._refuse()
        if task_id not in self._ledger.scheduled:
            self._need_fresh_look()
            return Verdict.DEFER  # R7: its task isn't recorded yet
        self._answered.add(task_id)
        self._out.applied.append(waiting)
        return Verdict.APPLY


def kept_identities(
    earlier: Sequence[RecentIdentity],
    consumed: Mapping[str, datetime],
    carried: Collection[str],
    *,
    now: datetime,
    served_since: datetime,
    keep_seconds: float,
) -> tuple[RecentIdentity, ...]:
    """R7: the identities that outlive continue-as-new.

    `earlier` are the sentinel's, `consumed` the old execution's with the time of each. Age counts
    only time in which this process has served the queue without a gap, so an app that stood still
    forgets nothing. What rows of the new execution hold (`carried`) is not repeated.
    """
    known = [*earlier, *(RecentIdentity(identity=i, consumed_at=t) for i, t in consumed.items())]
    oldest = now - timedelta(seconds=keep_seconds)
    if served_since <= oldest:  # else none is old enough, however many there are
        known = [each for each in known if each.consumed_at > oldest]
    return (
        tuple(each for each in known if each.identity not in carried) if carried else tuple(known)
    )


def begun_identity(execution_id: str | None) -> str:
    """R7: what is remembered of an execution that another one replaced, not by continue-as-new.

    Its start may be delivered again. A client's is stale when the row names another execution; a
    child's has no such row, and a child that is tried again under its id begins several times.
    """
    return f"x:{execution_id}"


def consumed_identities(events: Iterable[HistoryEvent]) -> dict[str, datetime]:
    """The identities in `events`, each with the time of the episode that consumed it."""
    found: dict[str, datetime] = {}
    episode: OrchestratorStarted | None = None
    for event in events:
        if isinstance(event, OrchestratorStarted):
            episode = event
        elif (identity := identity_of(event)) is not None:
            found[identity] = (event if episode is None else episode).timestamp
    return found
