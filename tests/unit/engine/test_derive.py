"""Messages from history rows alone (R12), and what is still owed (R11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings, strategies as st

from durable.engine.derive import FIRE_AND_FORGET, owed_messages
from durable.engine.ledger import Ledger
from durable.model import ids
from durable.model.events import (
    EventRaised,
    ExecutionStarted,
    HistoryEvent,
    InstanceRef,
    ParentInstance,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskScheduled,
    TimerFired,
)
from durable.model.failure import FailureDetails
from durable.model.history import StoredEvent
from durable.model.messages import Extras, Outbound
from durable.model.status import RuntimeStatus
from tests.unit.engine.conftest import T0
from tests.unit.engine.histories import (
    PARENT,
    continued,
    created,
    done,
    ended,
    fired,
    ledger,
    raised,
    scheduled,
    sent,
    started,
    stretch,
    timer,
    undone,
)

SELF = InstanceRef(instance_id="i1", execution_id="e1")
LATER = T0 + timedelta(hours=1)


def only(book: Ledger, sequence: int = 0) -> Outbound:
    [outbound] = owed_messages(book, sequence)
    return outbound


def identity(event: HistoryEvent, execution_id: str = "e1") -> str | None:
    return only(ledger(stretch(started(execution_id), event))).message.extras.identity


def test_a_history_without_a_start_owes_nothing() -> None:
    assert owed_messages(ledger(stretch(scheduled(0))), 0) == []


def test_r12_a_scheduled_activity_goes_to_the_workers_as_its_row_says() -> None:
    outbound = only(ledger(stretch(started(tags={"a": "1"}), scheduled(0))))
    message = outbound.message
    assert (outbound.to_workers, outbound.due) == (True, None)
    assert message.event == scheduled(0)
    assert (message.target, message.sender, message.episode) == (SELF, SELF, 1)
    assert message.context_tags == {"a": "1"}
    assert message.extras == Extras(mark=True)


def test_r12_a_timer_fires_at_its_rows_time() -> None:
    outbound = only(ledger(stretch(started(), timer(2, LATER))))
    assert (outbound.to_workers, outbound.due) == (False, LATER)
    assert outbound.message.event == TimerFired(timestamp=T0, timer_id=2, fire_at=LATER)
    assert outbound.message.target == SELF
    assert outbound.message.context_tags is None


def test_r7_a_child_gets_a_deterministic_execution_id() -> None:
    decision = SubOrchestrationCreated(
        timestamp=T0,
        event_id=4,
        name="child",
        instance_id="c1",
        version="2",
        input="[1]",
        tags={"b": "2"},
    )
    outbound = only(ledger(stretch(started(version="7", tags={"a": "1"}), decision)))
    child = InstanceRef(instance_id="c1", execution_id=ids.child_execution_id("e1", 4))
    assert outbound.message.event == ExecutionStarted(
        timestamp=T0,
        instance=child,
        name="child",
        version="2",
        input="[1]",
        tags={"b": "2"},
        parent=ParentInstance(name="orchestrator", instance=SELF, task_id=4, version="7"),
    )
    assert outbound.message.target == child
    assert outbound.message.context_tags == {"a": "1"}
    assert (outbound.to_workers, outbound.due) == (False, None)


def test_what_an_entity_starts_is_sent_without_a_context() -> None:
    entity = InstanceRef(instance_id="@counter@a", execution_id="e1")
    outbound = only(ledger(stretch(replace(started(), instance=entity), created(0, "c1"))))
    assert isinstance(outbound.message.event, ExecutionStarted)
    assert outbound.message.event.parent == ParentInstance(
        name="orchestrator", instance=entity, task_id=0
    )
    assert outbound.message.context_tags is None


def test_a_row_without_the_childs_id_addresses_nobody() -> None:
    assert only(ledger(stretch(started(), created(0, None)))).message.target.instance_id == ""


@pytest.mark.parametrize("due", [None, LATER])
def test_r7_a_sent_event_carries_the_identity_of_its_decision(due: object) -> None:
    outbound = only(ledger(stretch(started(), sent(3, LATER if due else None))))
    assert outbound.message.event == EventRaised(timestamp=T0, name="E", input="1")
    assert outbound.message.target == InstanceRef(instance_id="o1", execution_id=None)
    assert outbound.message.extras == Extras(mark=True, identity=ids.sent_identity("e1", 3))
    assert outbound.due == due


def test_r1_carried_events_that_do_not_fit_are_sent_on_under_new_identities() -> None:
    book = ledger(
        stretch(started(), raised("a", value="1"), raised("b", value="2"), raised("c", value="3")),
        stretch(continued(carried=("a",), sent_on=("b", "c"))),
    )
    outbound = owed_messages(book, 1)
    assert [o.message.event for o in outbound] == [
        EventRaised(timestamp=T0, name="E", input="2"),
        EventRaised(timestamp=T0, name="E", input="3"),
    ]
    assert [o.message.extras.identity for o in outbound] == [
        ids.carried_identity("e1", "b"),
        ids.carried_identity("e1", "c"),
    ]
    # To whichever execution is current by then.
    assert {o.message.target for o in outbound} == {InstanceRef(instance_id="i1")}


def test_a_continue_as_new_reports_nothing_to_a_parent() -> None:
    assert owed_messages(ledger(stretch(started(parent=PARENT), continued())), 0) == []


def test_a_completed_child_reports_its_result_to_its_parent() -> None:
    outbound = only(ledger(stretch(started(parent=PARENT), ended())))
    assert outbound.message.event == SubOrchestrationCompleted(
        timestamp=T0, task_id=7, result='"out"'
    )
    assert outbound.message.target == InstanceRef(instance_id="p1", execution_id="pe")


@pytest.mark.parametrize(
    "status", [RuntimeStatus.FAILED, RuntimeStatus.TERMINATED, RuntimeStatus.CANCELED]
)
def test_any_other_end_of_a_child_is_reported_as_a_failure(status: RuntimeStatus) -> None:
    message = only(ledger(stretch(started(parent=PARENT), ended(status, result="why")))).message
    assert message.event == SubOrchestrationFailed(timestamp=T0, task_id=7, reason="why")


def test_a_failed_childs_details_are_reported() -> None:
    failure = FailureDetails(error_type="ValueError", message="why")
    end = ended(RuntimeStatus.FAILED, result="why")
    end = type(end)(timestamp=T0, event_id=1, status=end.status, result=end.result, failure=failure)
    event = only(ledger(stretch(started(parent=PARENT), end))).message.event
    assert isinstance(event, SubOrchestrationFailed)
    assert event.failure == failure


@pytest.mark.parametrize("start", [started(), started(parent=PARENT, tags={FIRE_AND_FORGET: ""})])
def test_nobody_waits_for_a_top_level_or_a_fire_and_forget_execution(
    start: ExecutionStarted,
) -> None:
    assert owed_messages(ledger(stretch(start, ended())), 0) == []


def test_r11_owed_are_all_stretches_above_the_sequence_less_the_answered_tasks() -> None:
    book = ledger(
        stretch(started(), scheduled(0), scheduled(1)),
        stretch(done(0), scheduled(2), timer(3), created(4), sent(5)),
        stretch(fired(3)),
    )
    assert [o.message.event.event_id for o in owed_messages(book, 0)] == [1, 2, -1, -1]
    assert [o.message.episode for o in owed_messages(book, 0)] == [1, 2, 2, 2]
    assert [o.message.event.event_id for o in owed_messages(book, 1)] == [2, -1, -1]
    assert owed_messages(book, 2) == []


def test_r12_deriving_twice_gives_the_same_messages_in_the_same_blobs() -> None:
    def book() -> Ledger:
        return ledger(
            stretch(started(parent=PARENT), raised("a"), scheduled(0), timer(1), created(2)),
            stretch(sent(3), ended()),
        )

    assert owed_messages(book(), 0) == owed_messages(book(), 0)
    names = [o.message.activity_id for o in owed_messages(book(), 0)]
    assert len(set(names)) == 5


def test_r7_identities_differ_between_executions() -> None:
    assert identity(sent(3), "e1") != identity(sent(3), "e2")
    assert identity(sent(3)) != identity(sent(4))


def test_an_execution_without_an_id_can_still_be_read() -> None:
    message = only(ledger(stretch(started(None), sent(3)))).message
    assert message.extras.identity == ids.sent_identity("", 3)


def decided(kind: str, task_id: int) -> HistoryEvent:
    match kind:
        case "activity":
            return scheduled(task_id)
        case "timer":
            return timer(task_id)
        case "child":
            return created(task_id)
        case _:
            return sent(task_id)


@st.composite
def turns(draw: st.DrawFn) -> Ledger:
    """Stretches that schedule new tasks and answer earlier ones."""
    open_tasks: list[int] = []
    parts: list[list[HistoryEvent]] = []
    task_id = 0
    for number in range(draw(st.integers(1, 5))):
        events: list[HistoryEvent] = [started()] if number == 0 else []
        for answered in draw(
            st.lists(st.sampled_from(open_tasks), unique=True) if open_tasks else st.just([])
        ):
            open_tasks.remove(answered)
            events.append(done(answered))
        for kind in draw(
            st.lists(st.sampled_from(["activity", "timer", "child", "event"]), max_size=4)
        ):
            events.append(decided(kind, task_id))
            if kind != "event":
                open_tasks.append(task_id)
            task_id += 1
        parts.append(stretch(*events))
    return ledger(*parts)


def task_of(outbound: Outbound) -> int | None:
    event = outbound.message.event
    match event:
        case TaskScheduled():
            return event.event_id
        case TimerFired():
            return event.timer_id
        case ExecutionStarted() if event.parent is not None:
            return event.parent.task_id
        case _:
            return None


@settings(max_examples=50)
@given(turns(), st.integers(0, 6))
def test_r11_owed_messages_above_a_sequence_never_contain_answered_tasks(
    book: Ledger, sequence: int
) -> None:
    owed = owed_messages(book, sequence)
    assert not {task_of(each) for each in owed} & book.answered
    assert all((each.message.episode or 0) > sequence for each in owed)
    asked = {row.event.event_id for _, row in book.above(sequence) if row.event.event_id >= 0}
    seen = {task_of(each) for each in owed} - {None}
    assert seen == (asked & book.scheduled) - book.answered


@settings(max_examples=50)
@given(turns(), st.integers(0, 6))
def test_r11_what_is_owed_above_a_sequence_is_the_end_of_what_is_owed_at_all(
    book: Ledger, sequence: int
) -> None:
    everything = owed_messages(book, 0)
    owed = owed_messages(book, sequence)
    assert owed == everything[len(everything) - len(owed) :]


@settings(max_examples=50)
@given(turns())
def test_r11_an_answer_takes_its_task_away_and_nothing_else(book: Ledger) -> None:
    before = owed_messages(book, 0)
    tasks = [task for each in before if (task := task_of(each)) is not None]
    for task in tasks:
        book.append(StoredEvent(event=done(task)))
        assert task not in {task_of(each) for each in owed_messages(book, 0)}
    assert owed_messages(book, 0) == [each for each in before if task_of(each) is None]


def test_what_is_decided_anew_after_a_rewind_is_another_message() -> None:
    """Its receiver may know the old one; and deriving twice still gives the same."""
    decisions: list[HistoryEvent] = [scheduled(0), timer(1), created(2), sent(3)]
    first = owed_messages(ledger(stretch(started(), *decisions)), 0)
    old = [undone(event.event_id) for event in decisions]
    book = ledger(stretch(started(), *old), stretch(*decisions))
    again = owed_messages(book, 0)
    assert [type(each.message.event) for each in again] == [
        type(each.message.event) for each in first
    ]
    assert again == owed_messages(book, 1)
    for before, after in zip(first, again, strict=True):
        assert before.message.activity_id != after.message.activity_id
    assert again[2].message.target.execution_id == ids.child_execution_id("e1", 2, rewound=1)
    assert again[3].message.extras.identity == "s:e1:1:3"


def test_what_a_rewind_took_back_is_not_owed() -> None:
    assert owed_messages(ledger(stretch(started(), undone(0), undone(1))), 0) == []
