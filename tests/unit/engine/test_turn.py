"""One turn: history and new messages in, a draft of the next stretch out."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from durable.engine.derive import owed_messages
from durable.engine.judgement import Start, Waiting
from durable.engine.ledger import Ledger
from durable.engine.replay import Orchestration
from durable.engine.stretches import BatchLimits, split
from durable.engine.turn import MAX_GENERATIONS_A_TURN, Draft, TurnInput, compose, failed_draft
from durable.errors import NonDeterminismError
from durable.model import ids
from durable.model.actions import Outcome
from durable.model.entities import (
    Earlier,
    EntityMessage,
    OperationRequest,
    Outgoing,
    Release,
    Response,
)
from durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    HistoryEvent,
    OrchestratorCompleted,
    OrchestratorStarted,
    SubOrchestrationCreated,
    TaskCompleted,
    TaskScheduled,
)
from durable.model.failure import FailureDetails
from durable.model.history import RecentIdentity, Sentinel, StoredEvent
from durable.model.ids import EntityId
from durable.model.status import RuntimeStatus
from durable.wire import entity_json
from tests.unit.engine.conftest import SECOND, T0, WIRE, Ask, Code, loads
from tests.unit.engine.histories import (
    PARENT,
    done,
    ledger,
    raised,
    scheduled,
    sentinel,
    started,
    stretch,
    waiting,
)

NOW = T0 + timedelta(minutes=1)
TERMINATE = ExecutionTerminated(timestamp=T0, reason="why")
SUSPEND = ExecutionSuspended(timestamp=T0)
RESUME = ExecutionResumed(timestamp=T0)
Steps = Generator[object, object, object]
Endless = Generator[object, object, None]


# Orchestrators.


def value(ask: Ask) -> object:
    return loads(ask.execution.started.input)


def sequence(ask: Ask) -> Steps:
    first = yield ask.activity("a", 1)
    second = yield ask.activity("b", first)
    return second


def once(ask: Ask) -> object:
    return [value(ask), "done"]


def collect(ask: Ask) -> Steps:
    """One event a generation, four of them."""
    got = value(ask)
    assert isinstance(got, list)
    got = [*got, (yield ask.event("E"))]
    if len(got) < 4:
        ask.continue_as_new(got)
        return None
    return got


def after_activity(ask: Ask) -> Endless:
    """Events wait in the history for the activity; then it continues as new."""
    result = yield ask.activity("a")
    ask.continue_as_new(result)


def sends_and_continues(ask: Ask) -> Endless:
    """The finishing turn starts a child and sends an event."""
    yield ask.event("E")
    ask.start_detached("child")
    ask.send("o1", "S")
    ask.continue_as_new("again")


def countdown(ask: Ask) -> Steps:
    left = value(ask)
    assert isinstance(left, int)
    ask.status(f"{left} left")
    if left > 0:
        ask.continue_as_new(left - 1)
        return None
    yield ask.activity("a")
    return "over"


def for_ever(ask: Ask) -> None:
    ask.continue_as_new(None)


# Driving them.


def size_of(event: HistoryEvent) -> int:
    return len(event.input or "") if isinstance(event, EventRaised) else 1


LIMITS = BatchLimits(rows=99, size=10_000, size_of=size_of)


@dataclass
class Machine:
    """An instance that runs `function`: its rows, its sentinel, its live orchestrator."""

    function: Callable[[Ask], object]
    limits: BatchLimits = LIMITS
    now: datetime = NOW
    ledger: Ledger = field(default_factory=Ledger)
    sentinel: Sentinel | None = None
    live: Orchestration | None = None
    opened: list[ExecutionStarted] = field(default_factory=list)

    def open(self, start: ExecutionStarted) -> Orchestration:
        self.opened.append(start)
        return Orchestration(Code(self.function), instance_id="i1", entities=WIRE)

    def input(
        self, *applied: Waiting, start: Start | None = None, finish_hand_over: bool = False
    ) -> TurnInput:
        return TurnInput(
            ledger=self.ledger,
            sentinel=self.sentinel,
            live=self.live,
            start=start,
            finish_hand_over=finish_hand_over,
            applied=applied,
            now=self.now,
            served_since=T0,
            keep_identities_seconds=600.0,
            limits=self.limits,
            open=self.open,
            entities=WIRE,
        )

    def draft(
        self, *applied: Waiting, start: Start | None = None, finish_hand_over: bool = False
    ) -> Draft:
        return compose(self.input(*applied, start=start, finish_hand_over=finish_hand_over))

    def begin(self, *applied: Waiting, text: str = "null", execution_id: str = "e1") -> Draft:
        start = replace(started(execution_id), input=text)
        return self.commit(self.draft(*applied, start=Start(event=start)))

    def turn(self, *applied: Waiting) -> Draft:
        return self.commit(self.draft(*applied))

    def hand_over(self, *applied: Waiting) -> Draft:
        return self.commit(self.draft(*applied, finish_hand_over=True))

    def commit(self, draft: Draft) -> Draft:
        """As hub.commit and the runtime do: new rows, new sentinel, the rest shown to `live`."""
        if draft.is_new_execution:
            self.ledger = Ledger()
        kept_together = 1 + draft.carried if draft.is_new_execution else 0
        for part in split(draft.events, kept_together, self.limits):
            for event in part:
                self.ledger.append(StoredEvent(event=event))
        self.sentinel = replace(
            sentinel(draft.execution_id, sequence=self.ledger.stretches),
            first_execution_id=draft.first_execution_id,
            identities=draft.identities,
        )
        live = None if draft.is_hand_over else draft.live
        assert live is None or isinstance(live, Orchestration)
        self.live = live
        if self.live is not None:
            for event in draft.events[draft.fed :]:
                self.live.feed(event, replaying=True)
        return draft

    def reload(self) -> None:
        """Another process takes over."""
        self.live = Orchestration(Code(self.function), instance_id="i1", entities=WIRE)
        for row in self.ledger.rows:
            self.live.feed(row.event, replaying=True)


def kinds(events: Sequence[HistoryEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def ending(draft: Draft) -> ExecutionCompleted:
    [found] = [event for event in draft.events if isinstance(event, ExecutionCompleted)]
    return found


def events_in(draft: Draft) -> list[str | None]:
    return [event.identity for event in draft.events if isinstance(event, EventRaised)]


def texts(*identities: str) -> list[Waiting]:
    return [waiting(f"m-{i}", raised(i, value=json.dumps(i)), identity=i) for i in identities]


# Starts and plain turns.


def test_a_start_and_its_first_decision_are_one_stretch() -> None:
    machine = Machine(sequence)
    draft = machine.draft(start=Start(event=started("e2")))
    assert draft.events == [
        OrchestratorStarted(timestamp=NOW),
        replace(started("e2"), is_played=True),
        TaskScheduled(timestamp=NOW, event_id=0, name="a", version="", input="[1]"),
        OrchestratorCompleted(timestamp=NOW),
    ]
    assert (draft.execution_id, draft.first_execution_id) == ("e2", "e2")
    assert (draft.is_new_execution, draft.is_hand_over, draft.carried) == (True, False, 0)
    assert draft.fed == 2
    assert isinstance(draft.live, Orchestration)
    assert draft.live.event_count == draft.fed


def test_an_answer_leads_to_the_next_decision_and_then_to_the_end() -> None:
    machine = Machine(sequence)
    machine.begin()
    second = machine.turn(waiting("a", done(0), "e1"))
    assert kinds(second.events) == [
        "OrchestratorStarted",
        "TaskCompleted",
        "TaskScheduled",
        "OrchestratorCompleted",
    ]
    assert second.events[1] == replace(done(0), is_played=True)
    assert (second.is_new_execution, second.fed) == (False, 2)
    last = machine.turn(waiting("b", done(1), "e1"))
    assert ending(last) == ExecutionCompleted(
        timestamp=NOW, event_id=2, status=RuntimeStatus.COMPLETED, result='"r1"'
    )
    assert machine.ledger.is_finished
    assert len(machine.opened) == 1


def test_a_reloaded_orchestrator_goes_on_as_the_live_one() -> None:
    live, reloaded = Machine(sequence), Machine(sequence)
    for machine in (live, reloaded):
        machine.begin()
    reloaded.reload()
    answer = waiting("a", done(0), "e1")
    assert live.draft(answer).events == reloaded.draft(answer).events


def test_the_failure_of_a_function_is_the_executions_end() -> None:
    def fails(ask: Ask) -> None:
        raise ValueError("no")

    end = ending(Machine(fails).begin())
    assert (end.status, end.result, end.event_id) == (RuntimeStatus.FAILED, "no", 0)


def test_r1_a_turn_that_no_message_caused_records_what_the_replay_decides() -> None:
    # A checkpoint of a big turn went through, and the process died before the rest.
    machine = Machine(sequence, ledger=ledger(stretch(started())), sentinel=sentinel())
    machine.reload()
    draft = machine.turn()
    assert kinds(draft.events) == ["OrchestratorStarted", "TaskScheduled", "OrchestratorCompleted"]
    assert machine.ledger.scheduled == {0}


def test_r7_a_received_event_is_recorded_under_its_identity() -> None:
    machine = Machine(collect)
    message = Waiting(key="q1", message=waiting("q1", raised(None)).message)
    draft = machine.begin(*texts("x"), message, text="[]")
    # "x" was consumed by the first generation, "q1" by the second, in memory.
    assert [each.identity for each in draft.identities] == ["x", "q:q1"]


def test_r7_a_new_start_remembers_what_the_execution_before_consumed() -> None:
    """A message that is delivered again was meant for that one, not for this."""
    machine = Machine(sequence)
    machine.begin()
    machine.turn(waiting("q1", raised("of rows")), waiting("q2", ExecutionSuspended(timestamp=NOW)))
    recent = RecentIdentity(identity="x", consumed_at=NOW)
    assert machine.sentinel is not None
    machine.sentinel = replace(machine.sentinel, identities=(recent,))
    draft = machine.begin(execution_id="e2")
    assert draft.first_execution_id == "e2"
    assert [each.identity for each in draft.identities] == [
        "x",
        "of rows",
        f"ExecutionSuspended:{NOW.isoformat()}",
    ]
    assert machine.opened[-1].instance.execution_id == "e2"


def test_r5_a_start_remembers_the_child_or_the_tombstone_that_it_replaces() -> None:
    """The start of that one may be delivered again, and must not begin it over this one."""
    machine = Machine(sequence)
    machine.commit(machine.draft(start=Start(event=started("e1", parent=PARENT))))
    again = started("e2", parent=PARENT)
    draft = machine.commit(machine.draft(start=Start(event=again)))
    assert [each.identity for each in draft.identities] == ["x:e1"]
    machine.ledger, machine.sentinel = (
        Ledger(),
        sentinel("e8", sequence=None, first="e8", purged=True),
    )
    draft = machine.begin(execution_id="e9")
    assert [each.identity for each in draft.identities] == ["x:e8"]
    assert machine.begin(execution_id="e10").identities == draft.identities


def test_identities_stay_in_the_sentinel_from_turn_to_turn() -> None:
    machine = Machine(sequence)
    machine.begin()
    recent = RecentIdentity(identity="x", consumed_at=NOW)
    assert machine.sentinel is not None
    machine.sentinel = replace(machine.sentinel, identities=(recent,), first_execution_id=None)
    draft = machine.draft(waiting("a", done(0), "e1"))
    assert draft.identities == (recent,)
    assert draft.first_execution_id == "e1"


def test_a_turn_needs_a_started_execution() -> None:
    with pytest.raises(AssertionError, match="started"):
        Machine(sequence).draft()


def test_code_that_disagrees_with_history_is_told() -> None:
    machine = Machine(once, ledger=ledger(stretch(started(), scheduled(0))), sentinel=sentinel())
    with pytest.raises(NonDeterminismError):
        machine.reload()


# Terminate, suspend, resume.


def test_r6_terminated_before_its_first_turn_nothing_ever_runs() -> None:
    def runs(ask: Ask) -> None:
        raise AssertionError("it ran")

    machine = Machine(runs)
    draft = machine.begin(*texts("x"), waiting("t", TERMINATE))
    assert kinds(draft.events) == [
        "OrchestratorStarted",
        "ExecutionStarted",
        "EventRaised",
        "ExecutionTerminated",
        "ExecutionCompleted",
        "OrchestratorCompleted",
    ]
    end = ending(draft)
    assert (end.status, end.result, end.event_id) == (RuntimeStatus.TERMINATED, "why", 0)
    assert (machine.opened, draft.live, draft.fed) == ([], None, 0)


def test_a_terminated_execution_decides_nothing_more() -> None:
    machine = Machine(sequence)
    machine.begin()
    draft = machine.turn(waiting("a", done(0), "e1"), waiting("t", TERMINATE))
    assert kinds(draft.events) == [
        "OrchestratorStarted",
        "TaskCompleted",
        "ExecutionTerminated",
        "ExecutionCompleted",
        "OrchestratorCompleted",
    ]
    assert ending(draft).status is RuntimeStatus.TERMINATED
    assert not draft.is_new_execution


def test_a_suspended_execution_decides_when_it_is_resumed() -> None:
    machine = Machine(sequence)
    machine.begin()
    held = machine.turn(waiting("s", SUSPEND), waiting("a", done(0), "e1"))
    assert kinds(held.events)[1:-1] == ["ExecutionSuspended", "TaskCompleted"]
    assert machine.ledger.status is RuntimeStatus.SUSPENDED
    going = machine.turn(waiting("r", RESUME))
    assert kinds(going.events)[1:-1] == ["ExecutionResumed", "TaskScheduled"]


# Custom status.


def test_a_custom_status_is_recorded_when_it_changes() -> None:
    def reports(ask: Ask) -> Endless:
        ask.status("one")
        yield ask.activity("a")
        yield ask.activity("b")
        ask.status("two")
        yield ask.activity("c")

    machine = Machine(reports)

    def recorded(draft: Draft) -> str | None:
        last = draft.events[-1]
        assert isinstance(last, OrchestratorCompleted)
        return last.custom_status

    assert recorded(machine.begin()) == '"one"'
    assert recorded(machine.turn(waiting("a", done(0)))) is None
    assert recorded(machine.turn(waiting("b", done(1)))) == '"two"'
    machine.begin(execution_id="e2")
    assert machine.ledger.custom_status == '"one"'


def test_a_custom_status_outlives_continue_as_new_and_not_a_new_start() -> None:
    def reports(ask: Ask) -> Endless:
        if value(ask) == "first":
            ask.status("kept")
            yield ask.activity("a")
            ask.continue_as_new("second")
            return
        yield ask.activity("b")

    machine = Machine(reports)
    machine.begin(text='"first"')
    machine.turn(waiting("a", done(0)))
    assert machine.ledger.started is not None
    assert machine.ledger.started.input == '"second"'
    assert machine.ledger.custom_status == '"kept"'
    machine.begin(text='"second"', execution_id="e2")
    assert machine.ledger.custom_status is None


# Continue-as-new.


def test_r1_a_turn_that_sends_nothing_continues_as_new_in_one_commit() -> None:
    machine = Machine(collect)
    machine.begin(text="[]")
    draft = machine.turn(*texts("x"))
    second = ids.next_execution_id("e1")
    assert kinds(draft.events) == [
        "OrchestratorStarted",
        "ExecutionStarted",
        "OrchestratorCompleted",
    ]
    start = draft.events[1]
    assert isinstance(start, ExecutionStarted)
    assert (start.input, start.instance.execution_id) == ('["x"]', second)
    assert (draft.execution_id, draft.first_execution_id) == (second, "e1")
    assert (draft.is_new_execution, draft.is_hand_over) == (True, False)
    assert [each.identity for each in draft.identities] == ["x"]


def test_r1_events_left_over_are_carried_into_the_next_execution() -> None:
    machine = Machine(after_activity)
    machine.begin(*texts("x"))
    machine.turn(*texts("y"))
    draft = machine.turn(waiting("a", done(0)), *texts("z"))
    assert events_in(draft) == ["x", "y", "z"]
    assert draft.carried == 3
    # Rows hold them, so the list need not (R7).
    assert draft.identities == ()
    assert set(machine.ledger.identities) == {"x", "y", "z"}


def test_r1_an_event_that_arrived_many_generations_ago_is_still_there() -> None:
    machine = Machine(collect)
    draft = machine.begin(*texts("1", "2", "3", "4"), text="[]")
    # All four generations in one turn, in memory; only the last one is committed.
    assert ending(draft).result == '["1", "2", "3", "4"]'
    assert events_in(draft) == ["4"]
    assert draft.first_execution_id == "e1"
    generation = "e1"
    for _ in range(3):
        generation = ids.next_execution_id(generation)
    assert draft.execution_id == generation
    assert [each.identity for each in draft.identities] == ["1", "2", "3"]
    assert len(machine.opened) == 4


def test_a_finishing_turn_that_sends_is_a_commit_of_its_own() -> None:
    machine = Machine(sends_and_continues)
    machine.begin(*texts("early"), text="null")
    assert machine.sentinel is not None
    assert machine.sentinel.execution_id == "e1"
    assert machine.ledger.is_half_done


def test_the_second_half_is_derived_from_rows_by_whoever_finds_the_first() -> None:
    machine = Machine(sends_and_continues)
    machine.begin()
    first = machine.turn(*texts("x", "y"))
    assert first.is_hand_over
    assert not first.is_new_execution
    assert kinds(first.events) == [
        "OrchestratorStarted",
        "EventRaised",
        "EventRaised",
        "SubOrchestrationCreated",
        "EventSent",
        "ExecutionCompleted",
        "OrchestratorCompleted",
    ]
    end = ending(first)
    assert (end.status, end.result) == (RuntimeStatus.CONTINUED_AS_NEW, '"again"')
    assert (end.carried, end.sent_on) == (("y",), ())
    second = machine.hand_over()
    assert second.is_new_execution
    assert second.carried == 1
    assert events_in(second)[:1] == ["y"]
    assert second.execution_id == ids.next_execution_id("e1")
    assert second.first_execution_id == "e1"
    assert [each.identity for each in second.identities] == ["x"]


def test_r1_events_that_come_after_the_first_half_follow_the_carried_ones() -> None:
    machine = Machine(sends_and_continues)
    machine.begin()
    machine.turn(*texts("x", "y"))
    draft = machine.draft(*texts("z"), finish_hand_over=True)
    assert events_in(draft) == ["y", "z"]
    assert draft.carried == 1


def test_r1_carried_events_that_do_not_fit_are_sent_on() -> None:
    machine = Machine(after_activity, limits=replace(LIMITS, rows=5))
    machine.begin(*texts("a", "b", "c", "d"))
    first = machine.turn(waiting("r", done(0)))
    # The finishing row lists which are carried and which are sent: so it is a commit of its own.
    assert first.is_hand_over
    assert (ending(first).carried, ending(first).sent_on) == (("a", "b"), ("c", "d"))
    second = machine.hand_over()
    assert events_in(second) == ["a", "b"]
    # Those sent on come back under other identities; the old ones count as consumed.
    assert [each.identity for each in second.identities] == ["c", "d"]
    assert len(split(second.events, 1 + second.carried, machine.limits)[0]) <= 5


def test_r1_large_carried_events_are_sent_on_too() -> None:
    machine = Machine(after_activity, limits=replace(LIMITS, size=50))
    big = [waiting(i, raised(i, value=json.dumps("x" * 25)), identity=i) for i in "abc"]
    machine.begin(*big)
    first = machine.turn(waiting("r", done(0)))
    assert (ending(first).carried, ending(first).sent_on) == (("a",), ("b", "c"))


def test_the_next_execution_keeps_what_belongs_to_the_instance() -> None:
    def continues(ask: Ask) -> None:
        ask.agenda.continue_as_new('"next"', "9")

    machine = Machine(continues)
    start = replace(
        started("e1", tags={"a": "1"}, version="3"),
        generation=4,
        scheduled_start_time=T0,
    )
    draft = machine.draft(start=Start(event=start))
    # Every generation in turn: the last one is the first half of the fiftieth hand-over.
    assert draft.is_hand_over
    next_start = draft.events[1]
    assert isinstance(next_start, ExecutionStarted)
    assert (next_start.version, next_start.tags) == ("9", {"a": "1"})
    assert (next_start.generation, next_start.scheduled_start_time) == (None, None)
    assert next_start.timestamp == NOW
    assert ending(draft).next_version == "9"


def test_a_version_that_is_not_changed_stays() -> None:
    machine = Machine(countdown)
    draft = machine.draft(start=Start(event=replace(started("e1", version="3"), input="1")))
    start = draft.events[1]
    assert isinstance(start, ExecutionStarted)
    assert (start.version, start.input) == ("3", "0")


def test_generations_in_memory_keep_the_last_custom_status() -> None:
    machine = Machine(countdown)
    draft = machine.begin(text="3")
    assert kinds(draft.events) == [
        "OrchestratorStarted",
        "ExecutionStarted",
        "TaskScheduled",
        "OrchestratorCompleted",
    ]
    assert machine.ledger.custom_status == '"0 left"'
    assert len(machine.opened) == 4


def test_an_orchestrator_that_continues_for_ever_is_committed_half_way() -> None:
    machine = Machine(for_ever)
    first = machine.begin()
    assert first.is_hand_over
    assert first.is_new_execution
    assert len(machine.opened) == MAX_GENERATIONS_A_TURN
    second = machine.hand_over()
    assert second.execution_id != first.execution_id
    assert second.is_hand_over
    assert len(machine.opened) == 2 * MAX_GENERATIONS_A_TURN


def test_a_hand_over_can_be_terminated_before_its_second_half() -> None:
    machine = Machine(sends_and_continues)
    machine.begin()
    machine.turn(*texts("x"))
    draft = machine.hand_over(waiting("t", TERMINATE))
    assert kinds(draft.events)[1:-1] == [
        "ExecutionStarted",
        "ExecutionTerminated",
        "ExecutionCompleted",
    ]
    assert ending(draft).status is RuntimeStatus.TERMINATED
    assert draft.execution_id == ids.next_execution_id("e1")


def test_r7_old_identities_are_dropped_at_a_hand_over() -> None:
    machine = Machine(after_activity)
    machine.begin()
    assert machine.sentinel is not None
    recent = tuple(
        RecentIdentity(identity=i, consumed_at=T0 + timedelta(seconds=at))
        for i, at in (("old", 0), ("young", 10))
    )
    machine.sentinel = replace(machine.sentinel, identities=recent)
    machine.now = T0 + timedelta(seconds=605)
    assert machine.turn(waiting("a", done(0))).identities == (recent[1],)


def test_r1_an_event_that_dotnet_recorded_is_carried_too() -> None:
    machine = Machine(
        after_activity,
        ledger=ledger(stretch(started(), raised(None, value='"x"'), scheduled(0, "a"))),
        sentinel=sentinel(),
    )
    machine.reload()
    draft = machine.turn(waiting("a", done(0)))
    if draft.is_hand_over:
        draft = machine.hand_over()
    assert [e.input for e in draft.events if isinstance(e, EventRaised)] == ['"x"']


@given(st.integers(1, 12), st.integers(4, 9), st.integers(0, 3))
def test_r1_no_event_is_lost_or_doubled_by_a_hand_over(count: int, rows: int, early: int) -> None:
    machine = Machine(after_activity, limits=replace(LIMITS, rows=rows))
    names = [f"i{n}" for n in range(count)]
    early = min(early, count)
    machine.begin(*texts(*names[:early]))
    draft = machine.turn(*texts(*names[early:]), waiting("a", done(0)))
    sent_on: tuple[str, ...] = ()
    if draft.is_hand_over:
        sent_on = ending(draft).sent_on
        draft = machine.hand_over()
    assert [*events_in(draft), *sent_on] == names
    assert [each.identity for each in draft.identities] == list(sent_on)


# An instance that cannot be run.


def failure(task_id: int) -> Outcome:
    return Outcome(
        task_id=task_id,
        status=RuntimeStatus.FAILED,
        result="no such orchestrator",
        failure=FailureDetails(error_type="UnknownFunction", message="no such orchestrator"),
    )


def test_a_start_of_an_unknown_orchestrator_fails_with_what_arrived() -> None:
    machine = Machine(sequence)
    draft = failed_draft(machine.input(*texts("x"), start=Start(event=started("e2"))), failure)
    assert kinds(draft.events) == [
        "OrchestratorStarted",
        "ExecutionStarted",
        "EventRaised",
        "ExecutionCompleted",
        "OrchestratorCompleted",
    ]
    end = ending(draft)
    assert (end.event_id, end.status, end.timestamp) == (0, RuntimeStatus.FAILED, NOW)
    assert end.failure is not None
    assert (draft.is_new_execution, draft.live, machine.opened) == (True, None, [])


def test_an_instance_that_disagrees_with_its_code_fails_under_the_next_number() -> None:
    machine = Machine(once, ledger=ledger(stretch(started(), scheduled(3))), sentinel=sentinel())
    draft = failed_draft(machine.input(waiting("a", done(3))), failure)
    assert ending(draft).event_id == 4
    assert not draft.is_new_execution
    assert any(isinstance(event, TaskCompleted) for event in draft.events)


def test_a_termination_ends_even_an_instance_that_cannot_be_run() -> None:
    machine = Machine(once, ledger=ledger(stretch(started(), scheduled(3))), sentinel=sentinel())
    stop = waiting("t", ExecutionTerminated(timestamp=NOW, reason="enough"))
    end = ending(failed_draft(machine.input(stop), failure))
    assert (end.event_id, end.status, end.result) == (4, RuntimeStatus.TERMINATED, "enough")


def test_the_second_half_of_a_hand_over_can_fail() -> None:
    machine = Machine(sends_and_continues)
    machine.begin()
    machine.turn(*texts("x"))
    draft = failed_draft(machine.input(finish_hand_over=True), failure)
    assert ending(draft).event_id == 0
    assert draft.is_new_execution
    assert draft.execution_id == ids.next_execution_id("e1")


def test_r12_a_draft_depends_on_nothing_but_its_input() -> None:
    def drafted() -> Draft:
        machine = Machine(sends_and_continues)
        machine.begin()
        return machine.draft(*texts("x", "y"))

    assert drafted().events == drafted().events


def test_children_are_recorded_with_their_ids() -> None:
    def parent(ask: Ask) -> Steps:
        result = yield ask.child("child")
        return result

    [row] = [
        event
        for event in Machine(parent).begin().events
        if isinstance(event, SubOrchestrationCreated)
    ]
    assert row.instance_id == ids.child_instance_id("e1", 0)


def test_time_is_the_turns_own() -> None:
    def asks(ask: Ask) -> Endless:
        yield ask.timer(SECOND)

    machine = Machine(asks)
    machine.begin()
    assert machine.live is not None
    assert machine.live.agenda.now == NOW


def test_children_get_the_default_version_of_the_process_that_decides() -> None:
    def parent(ask: Ask) -> Steps:
        return (yield ask.child("c"))

    machine = Machine(parent)
    start = Start(event=started(version="1"))
    draft = compose(replace(machine.input(start=start), default_version="2"))
    [created] = [e for e in draft.events if isinstance(e, SubOrchestrationCreated)]
    assert created.version == "2"


# Entities.

A, B = EntityId("account", "a"), EntityId("account", "b")


def holds(ask: Ask) -> Generator[Any, Any, None]:
    with (yield ask.lock(A, B)):
        yield ask.activity("work")
        ask.signal(EntityId("log", "x"), "done")
    with (yield ask.lock(B)):
        yield ask.activity("more")


def signals_for_ever(ask: Ask) -> Endless:
    ask.signal(A, "add")
    yield ask.event("go")
    ask.continue_as_new(None)


def signals_last(ask: Ask) -> Endless:
    yield ask.event("go")
    ask.signal(A, "add")
    ask.continue_as_new(None)


def request_in(machine: Machine, number: int) -> OperationRequest:
    """The request in the row of that number."""
    for row in machine.ledger.rows:
        if isinstance(row.event, EventSent) and row.event.event_id == number:
            message = entity_json.decode_message(row.event.name, row.event.input, "a row")
            assert isinstance(message, OperationRequest)
            return message
    raise AssertionError(number)


def grant(machine: Machine, number: int) -> Waiting:
    answer = Response(id=request_in(machine, number).id, result="ok")
    event = EventRaised(
        timestamp=NOW, name=answer.id, input=entity_json.encode_response(answer), identity=answer.id
    )
    return waiting(answer.id, event)


def told(draft: Draft) -> list[tuple[int, str | None, EntityMessage]]:
    """The messages to entities that a draft records: number, target, message."""
    return [
        (
            event.event_id,
            event.instance_id,
            entity_json.decode_message(event.name, event.input, "a row"),
        )
        for event in draft.events
        if isinstance(event, EventSent)
    ]


def released(machine: Machine, number: int) -> Release:
    return Release(parent="i1", id=request_in(machine, number).id)


def test_w19_a_terminated_holder_releases_what_it_holds() -> None:
    machine = Machine(holds)
    machine.begin()
    machine.turn(grant(machine, 0))
    draft = machine.turn(waiting("t", TERMINATE))
    release = released(machine, 0)
    assert told(draft) == [(2, str(A), release), (3, str(B), release)]
    assert (ending(draft).event_id, ending(draft).status) == (4, RuntimeStatus.TERMINATED)
    machine.reload()
    assert machine.live is not None
    assert machine.live.is_recorded_complete


def test_w19_one_that_still_waits_for_its_locks_withdraws_them() -> None:
    machine = Machine(holds)
    machine.begin()
    draft = machine.turn(waiting("t", TERMINATE))
    assert [to for _, to, _ in told(draft)] == [str(A), str(B)]
    assert ending(draft).event_id == 3


def test_w19_what_was_released_already_is_not_released_again() -> None:
    machine = Machine(holds)
    machine.begin()
    machine.turn(grant(machine, 0))
    machine.turn(waiting("d", done(1)))
    draft = machine.turn(waiting("t", TERMINATE))
    second = max(
        row.event.event_id for row in machine.ledger.rows if isinstance(row.event, EventSent)
    )
    assert told(draft) == [(second, str(B), released(machine, 5))]


def test_w19_a_lock_asked_for_in_the_turn_that_terminates_was_never_asked_for() -> None:
    def locks_later(ask: Ask) -> Endless:
        yield ask.activity("work")
        yield ask.lock(A)

    machine = Machine(locks_later)
    machine.begin()
    draft = machine.turn(waiting("d", done(0)), waiting("t", TERMINATE))
    assert told(draft) == []
    assert ending(draft).status is RuntimeStatus.TERMINATED


def test_w19_an_instance_that_cannot_be_run_releases_too() -> None:
    machine = Machine(holds)
    machine.begin()
    machine.turn(grant(machine, 0))
    draft = failed_draft(machine.input(), failure)
    assert [number for number, _, _ in told(draft)] == [2, 3]
    assert (ending(draft).event_id, ending(draft).status) == (4, RuntimeStatus.FAILED)
    stopped = failed_draft(machine.input(waiting("t", TERMINATE)), failure)
    assert len(told(stopped)) == 2
    assert ending(stopped).status is RuntimeStatus.TERMINATED


def test_an_end_that_code_makes_counts_its_own_releases() -> None:
    def code(ask: Ask) -> Endless:
        yield ask.lock(A)

    machine = Machine(code)
    machine.begin()
    draft = machine.turn(grant(machine, 0))
    assert [number for number, _, _ in told(draft)] == [1]
    assert ending(draft).event_id == 2


def test_the_next_execution_knows_what_the_ones_before_it_sent_last() -> None:
    machine = Machine(signals_for_ever)
    machine.begin()
    first = request_in(machine, 0)
    assert first.after is None
    machine.now += SECOND
    machine.turn(waiting("g", raised("g", "go")))
    start = machine.ledger.started
    assert start is not None
    earlier = Earlier(execution_id="e1", timestamp=first.timestamp)
    assert start.sent_before == {str(A): earlier}
    second = request_in(machine, 0)
    assert (second.after, second.parent_execution) == (earlier, ids.next_execution_id("e1"))
    assert second.timestamp > first.timestamp


def test_what_was_sent_before_the_window_is_forgotten() -> None:
    machine = Machine(signals_for_ever)
    machine.begin()
    machine.now += timedelta(hours=1)
    machine.turn(waiting("g", raised("g", "go")))
    assert machine.ledger.started is not None
    assert machine.ledger.started.sent_before == {}


def test_what_was_sent_before_outlives_executions_that_send_nothing() -> None:
    def code(ask: Ask) -> Endless:
        if loads(ask.execution.started.input) == 0:
            ask.signal(A, "add")
        yield ask.event("go")
        ask.continue_as_new(1)

    machine = Machine(code)
    machine.begin(text="0")
    machine.turn(waiting("g", raised("g", "go")))
    machine.turn(waiting("h", raised("h", "go")))
    assert machine.ledger.started is not None
    assert machine.ledger.started.instance.execution_id == ids.next_execution_id(
        ids.next_execution_id("e1")
    )
    assert [each.execution_id for each in machine.ledger.started.sent_before.values()] == ["e1"]


def test_without_entities_nothing_is_released_or_handed_over() -> None:
    machine = Machine(holds)
    machine.begin()
    bare = replace(machine.input(waiting("t", TERMINATE)), entities=None)
    assert told(compose(bare)) == []
    machine = Machine(signals_last)
    machine.begin()
    machine.turn(waiting("g", raised("g", "go")))
    draft = compose(replace(machine.input(finish_hand_over=True), entities=None))
    [start] = [event for event in draft.events if isinstance(event, ExecutionStarted)]
    assert start.sent_before == {}


def test_who_finishes_a_hand_over_finds_in_rows_what_was_sent() -> None:
    machine = Machine(signals_last)
    machine.begin()
    machine.turn(waiting("g", raised("g", "go")))
    sent = request_in(machine, 0)
    machine.hand_over()
    assert machine.ledger.started is not None
    assert machine.ledger.started.sent_before == {
        str(A): Earlier(execution_id="e1", timestamp=sent.timestamp)
    }


def test_locks_that_an_entity_passes_on_are_not_its_own() -> None:
    started_as = started()
    entity = replace(started_as, instance=replace(started_as.instance, instance_id=str(A)))
    name, text = entity_json.event_of(
        Outgoing(
            target=str(B),
            message=OperationRequest(op=None, id="x", parent="i1", lock_set=(A, B), position=1),
        )
    )
    passed_on = EventSent(timestamp=T0, event_id=0, instance_id=str(B), name=name, input=text)
    machine = Machine(once, ledger=ledger(stretch(entity, passed_on)), sentinel=sentinel())
    assert told(failed_draft(machine.input(waiting("t", TERMINATE)), failure)) == []


def test_w19_a_start_that_replaces_a_holder_releases_what_that_held() -> None:
    machine = Machine(holds)
    machine.begin()
    machine.turn(grant(machine, 0))
    text = entity_json.event_of(Outgoing(target="", message=released(machine, 0)))[1]
    machine.begin(execution_id="e2")
    start = machine.ledger.started
    assert start is not None
    assert start.frees == {str(A): text, str(B): text}
    freed = [
        each for each in owed_messages(machine.ledger, 0) if each.message.target.instance_id != "i1"
    ][:2]
    assert [each.message.target.instance_id for each in freed] == [str(A), str(B)]
    assert [each.message.event for each in freed] == [
        EventRaised(timestamp=start.timestamp, name="release", input=text)
    ] * 2
    assert [each.message.extras.identity for each in freed] == ["s:e2:-2", "s:e2:-3"]
    assert owed_messages(machine.ledger, 0) == owed_messages(machine.ledger, 0)


def test_w19_a_start_that_frees_is_recorded_though_it_continues_as_new_at_once() -> None:
    """Its releases leave from its row: both halves in one batch would forget them."""

    def code(ask: Ask) -> Endless:
        if value(ask) == "again":
            ask.continue_as_new("last")
        elif value(ask) != "last":
            yield ask.lock(A)
            yield ask.event("never")

    machine = Machine(code)
    machine.begin()
    machine.turn(grant(machine, 0))
    draft = machine.begin(text='"again"', execution_id="e2")
    assert draft.is_hand_over
    assert told(draft) == []
    [freed, *_] = owed_messages(machine.ledger, 0)
    assert freed.message.target.instance_id == str(A)
    assert freed.message.extras.identity == "s:e2:-2"
    assert machine.hand_over().first_execution_id == "e2"


def test_a_start_after_an_end_and_a_continued_execution_free_nothing() -> None:
    def code(ask: Ask) -> Endless:
        yield ask.lock(A)
        ask.continue_as_new(1)

    machine = Machine(code)
    machine.begin()
    machine.begin(execution_id="e2")
    machine.turn(grant(machine, 0))
    machine.hand_over()
    assert machine.ledger.started is not None
    assert machine.ledger.started.instance.execution_id == ids.next_execution_id("e2")
    assert machine.ledger.started.frees == {}
    machine.turn(waiting("t", TERMINATE))
    machine.begin(execution_id="e3")
    assert machine.ledger.started.frees == {}
