"""One turn of one instance: history and new messages in, a draft of the next stretch out.

A port of `compose` in the protocol's model. Pure: the draft says what to commit, nothing is
written here, and a draft that loses its race is simply dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from durable.engine.decisions import completion_row, decision_row
from durable.engine.entity_rows import EntityWire, handed_over, releases_owed
from durable.engine.execution import Execution
from durable.engine.judgement import (
    Start,
    Waiting,
    begun_identity,
    consumed_identities,
    kept_identities,
)
from durable.engine.ledger import Ledger
from durable.engine.stretches import BatchLimits, carried_that_fit
from durable.model import ids
from durable.model.actions import Outcome
from durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionTerminated,
    HistoryEvent,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable.model.history import RecentIdentity, Sentinel
from durable.model.status import RuntimeStatus

#: Generations that one turn may run through in memory before it is committed half-way, so that
#: an orchestrator that continues as new at once, for ever, neither stops the loop nor its peers.
MAX_GENERATIONS_A_TURN = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnInput:
    """What a turn starts from.

    Attributes:
        ledger: the execution's rows so far (of the old one, for a hand-over).
        sentinel: as read or as committed last; None for an instance without history.
        live: the orchestrator, replayed to the end of `ledger`; None where a new execution begins.
        start: the execution to begin, if any.
        finish_hand_over: commit the second half of a continue-as-new.
        applied: messages that enter the turn.
        now: our clock.
        served_since: since when this process serves the queue without a gap (R7).
        keep_identities_seconds: how long identities are remembered.
        limits: what fits one batch.
        open: makes a fresh orchestrator for an execution.
        default_version: the version of children whose start names none.
        entities: how entities are reached; None where nothing is sent to any.
        is_whole: see `Draft`.
    """

    ledger: Ledger
    sentinel: Sentinel | None
    live: Execution | None
    start: Start | None
    finish_hand_over: bool
    applied: Sequence[Waiting]
    now: datetime
    served_since: datetime
    keep_identities_seconds: float
    limits: BatchLimits
    open: Callable[[ExecutionStarted], Execution]
    default_version: str = ""
    entities: EntityWire | None = None
    is_whole: bool = False


@dataclass(kw_only=True, slots=True)
class Draft:
    """A stretch to commit.

    Attributes:
        execution_id: whose stretch it is.
        first_execution_id: the line it belongs to (R5).
        is_new_execution: its rows start at 0, over those of another execution.
        carried: how many carried events follow the start; they belong in the first checkpoint.
        events: from OrchestratorStarted to OrchestratorCompleted.
        identities: what the sentinel remembers.
        is_hand_over: the first half of a continue-as-new; the second must follow.
        live: the orchestrator, ahead of the ledger by this draft; None when none ran.
        fed: how many of `events`, from the first, `live` has seen; the rest record its decisions.
        is_whole: its decisions must be written in one checkpoint: they can't be made again.
    """

    execution_id: str
    first_execution_id: str
    is_new_execution: bool
    carried: int
    events: list[HistoryEvent]
    identities: tuple[RecentIdentity, ...]
    is_hand_over: bool = False
    live: Execution | None = None
    fed: int = 0
    is_whole: bool = False


@dataclass(kw_only=True, slots=True)
class _Generation:
    """The execution being composed: its start, the rows of it that are committed, the new ones."""

    started: ExecutionStarted
    earlier: Ledger | None
    new: list[HistoryEvent]
    carried: int = 0
    fed: int = 0


def compose(turn: TurnInput) -> Draft:
    """Run the orchestrator on what is new, and draft the stretch that records it."""
    return _Composer(turn).compose()


def entering(turn: TurnInput) -> tuple[ExecutionStarted, list[HistoryEvent]]:
    """The execution that a turn is for, and its rows before the turn decides anything."""
    generation = _Composer(turn).begin()
    earlier = [] if generation.earlier is None else generation.earlier.rows
    return generation.started, [*(row.event for row in earlier), *generation.new]


def failed_draft(turn: TurnInput, outcome_of: Callable[[int], Outcome]) -> Draft:
    """The stretch of an instance that cannot be replayed: what arrived, and the failure."""
    composer = _Composer(turn)
    generation = composer.begin()
    if composer.is_terminated(generation):
        return composer.stillborn(generation)
    task_id = turn.ledger.highest_task_id + 1 if generation.earlier is not None else 0
    return composer.cut_short(generation, outcome_of(task_id))


class _Composer:
    def __init__(self, turn: TurnInput) -> None:
        self._turn = turn
        self._now = turn.now
        sentinel = turn.sentinel
        self._identities = sentinel.identities if sentinel is not None else ()
        self._first = (sentinel.first_execution_id if sentinel is not None else None) or ""
        # A custom status outlives continue-as-new, not a new start.
        self._custom_status = None if turn.start is not None else turn.ledger.custom_status
        self._live = turn.live

    def compose(self) -> Draft:
        generation = self.begin()
        # R6: terminated before its first turn: nothing of it ever runs.
        if self._turn.start is not None and self.is_terminated(generation):
            return self.stillborn(generation)
        to_feed: Sequence[HistoryEvent] = generation.new
        for count in range(1, MAX_GENERATIONS_A_TURN + 1):
            live = self._live
            if live is None:
                live = self._live = self._turn.open(generation.started)
            for event in to_feed:
                live.feed(event, replaying=False)
            generation.fed = len(generation.new)
            outcome = self._decide(generation, live)
            if outcome is None or outcome.status is not RuntimeStatus.CONTINUED_AS_NEW:
                return self._ended(generation, outcome)
            ending = self._continue_as_new(generation, live, outcome)
            if ending.sent_on or self._sends(generation) or count == MAX_GENERATIONS_A_TURN:
                generation.new.append(ending)
                return self.finished(generation, is_hand_over=True)
            # A turn that sends nothing does both halves in one batch.
            generation = self._next(generation.started, ending, self._rows(generation))
            live.close()
            self._live, to_feed = None, generation.new
        raise AssertionError("unreachable: the loop returns by its last round")  # pragma: no cover

    def begin(self) -> _Generation:
        turn = self._turn
        if turn.start is not None:
            started = replace(turn.start.event, frees=self._frees(), is_played=True)
            # What the execution before consumed may be delivered again, and is not for this one.
            self._identities = self._kept({**turn.ledger.identities, **self._replaced()}, ())
            self._first = started.instance.execution_id or ""
            self._live = None
            generation = _Generation(started=started, earlier=None, new=[self._episode(), started])
        elif turn.finish_hand_over and turn.ledger.completed is not None:
            self._live = None
            rows = [row.event for row in turn.ledger.rows]
            old = _started(turn.ledger)
            generation = self._next(old, turn.ledger.completed, rows)
        else:
            generation = _Generation(
                started=_started(turn.ledger), earlier=turn.ledger, new=[self._episode()]
            )
        generation.new += [self._received(waiting) for waiting in turn.applied]
        return generation

    def _frees(self) -> dict[str, str]:
        """What tells entities that the execution which ends here holds their locks no longer."""
        old = self._turn.ledger.started
        wire = None if old is None else self._wire_of(old)
        if old is None or wire is None:
            return {}
        rows = (row.event for row in self._turn.ledger.rows)
        releases = releases_owed(rows, old.instance.instance_id, wire, 0, self._now)
        return {str(each.instance_id): each.input or "" for each in releases}

    def _replaced(self) -> dict[str, datetime]:
        """The execution that ends here, where nothing else shows that its start is stale."""
        old, sentinel = self._turn.ledger.started, self._turn.sentinel
        is_purged = sentinel is not None and sentinel.purged
        if self._first and (is_purged or (old is not None and old.parent is not None)):
            return {begun_identity(self._first): self._now}
        return {}

    def _episode(self) -> OrchestratorStarted:
        return OrchestratorStarted(timestamp=self._now)

    @staticmethod
    def _received(waiting: Waiting) -> HistoryEvent:
        event = waiting.message.event
        if isinstance(event, EventRaised):
            return replace(event, identity=waiting.identity, is_played=True)
        return replace(event, is_played=True)

    @staticmethod
    def is_terminated(generation: _Generation) -> bool:
        return any(isinstance(event, ExecutionTerminated) for event in generation.new)

    def stillborn(self, generation: _Generation) -> Draft:
        """The end by termination, no code run for it."""
        reason = next(e.reason for e in generation.new if isinstance(e, ExecutionTerminated))
        earlier = generation.earlier
        outcome = Outcome(
            task_id=earlier.highest_task_id + 1 if earlier is not None else 0,
            status=RuntimeStatus.TERMINATED,
            result=reason,
        )
        return self.cut_short(generation, outcome)

    def cut_short(self, generation: _Generation, outcome: Outcome) -> Draft:
        """An end that is not the code's: what it locked and did not release is released (W19)."""
        wire = self._wire_of(generation.started)
        number = outcome.task_id
        if wire is not None:
            holder = generation.started.instance.instance_id
            rows = self._rows(generation)
            releases = releases_owed(rows, holder, wire, number, self._now)
            generation.new += releases
            number += len(releases)
        generation.new.append(completion_row(replace(outcome, task_id=number), self._now))
        return self.finished(generation)

    def _wire_of(self, started: ExecutionStarted) -> EntityWire | None:
        """How an orchestration reaches entities; what an entity sends is its own affair."""
        is_entity = ids.is_entity_id(started.instance.instance_id)
        return None if is_entity else self._turn.entities

    def _ended(self, generation: _Generation, outcome: Outcome | None) -> Draft:
        if outcome is None:
            return self.finished(generation)
        if outcome.status is RuntimeStatus.TERMINATED:
            return self.cut_short(generation, outcome)
        generation.new.append(completion_row(outcome, self._now))
        return self.finished(generation)

    def _decide(self, generation: _Generation, live: Execution) -> Outcome | None:
        outcome = live.outcome
        if live.custom_status is not None:
            self._custom_status = live.custom_status
        if outcome is None or outcome.status is not RuntimeStatus.TERMINATED:
            generation.new += [
                decision_row(action, generation.started, self._now, self._turn.default_version)
                for action in live.undecided
            ]
        return outcome

    @staticmethod
    def _sends(generation: _Generation) -> bool:
        return any(
            # A start, too, tells entities that the execution it replaces let go of them.
            bool(event.frees)
            if isinstance(event, ExecutionStarted)
            else event.event_id >= 0 and not isinstance(event, ExecutionCompleted)
            for event in generation.new
        )

    def _rows(self, generation: _Generation) -> list[HistoryEvent]:
        earlier = [] if generation.earlier is None else generation.earlier.rows
        return [*(row.event for row in earlier), *generation.new]

    def _continue_as_new(
        self, generation: _Generation, live: Execution, outcome: Outcome
    ) -> ExecutionCompleted:
        left = [e for e in live.unconsumed_events if e.identity is not None]
        ending = completion_row(outcome, self._now)
        start = self._next_start(generation.started, ending, self._rows(generation))
        fit = carried_that_fit([start, *left], self._turn.limits)
        names = [str(e.identity) for e in left]
        return replace(ending, carried=tuple(names[:fit]), sent_on=tuple(names[fit:]))

    def _next_start(
        self, old: ExecutionStarted, ending: ExecutionCompleted, rows: Sequence[HistoryEvent]
    ) -> ExecutionStarted:
        wire = self._wire_of(old)
        execution_id = ids.next_execution_id(old.instance.execution_id or "")
        return replace(
            old,
            timestamp=self._now,
            instance=replace(old.instance, execution_id=execution_id),
            input=ending.result,
            version=ending.next_version or old.version,
            generation=None,
            scheduled_start_time=None,
            sent_before={} if wire is None else handed_over(rows, old, wire, self._now),
            frees={},
            is_played=True,
        )

    def _next(
        self, old: ExecutionStarted, ending: ExecutionCompleted, rows: Sequence[HistoryEvent]
    ) -> _Generation:
        """The next execution, from the rows of the old one alone, whoever commits it."""
        started = self._next_start(old, ending, rows)
        taken = set(ending.carried)
        carried = [e for e in rows if isinstance(e, EventRaised) and e.identity in taken]
        self._identities = self._kept(consumed_identities(rows), taken)
        return _Generation(
            started=started,
            earlier=None,
            new=[self._episode(), started, *carried],
            carried=len(carried),
        )

    def _kept(
        self, consumed: Mapping[str, datetime], carried: Collection[str]
    ) -> tuple[RecentIdentity, ...]:
        return kept_identities(
            self._identities,
            consumed,
            carried,
            now=self._now,
            served_since=self._turn.served_since,
            keep_seconds=self._turn.keep_identities_seconds,
        )

    def finished(self, generation: _Generation, *, is_hand_over: bool = False) -> Draft:
        earlier = generation.earlier
        known = earlier.custom_status if earlier is not None else None
        changed = self._custom_status if self._custom_status != known else None
        generation.new.append(OrchestratorCompleted(timestamp=self._now, custom_status=changed))
        execution_id = generation.started.instance.execution_id or ""
        return Draft(
            execution_id=execution_id,
            first_execution_id=self._first or execution_id,
            is_new_execution=earlier is None,
            carried=generation.carried,
            events=generation.new,
            identities=self._identities,
            is_hand_over=is_hand_over,
            live=self._live,
            fed=generation.fed,
            is_whole=self._turn.is_whole,
        )


def _started(ledger: Ledger) -> ExecutionStarted:
    if ledger.started is None:  # a turn is only composed on a started execution
        raise AssertionError("a turn needs a started execution")
    return ledger.started
